// The audit in the middle of real boots: whatever a running Linux has made of the ledger so far, at many moments between
// its first line and its shell, nothing is found wrong with it; also while its memory is logged.

import { afterEach, describe, expect, it } from 'vitest';
import { Vm } from '../../src/hypervisor/index.ts';
import { audit, type Violation } from '../../src/hypervisor/ledger/index.ts';
import { MEM_LOG_DIRTY_PAGES } from '../../src/hypervisor/slots/index.ts';
import { PAGE_SIZE, silentLog } from '../../src/lib/index.ts';
import { Machine } from '../../src/vmm/index.ts';
import { prepareVm } from '../../src/vmm/machine/prepare-vm.ts';
import { Guest, onQemu } from './drive.ts';
import { type BootFiles, pulled, small } from './kernels.ts';

const LIMIT = 300_000;
const MEMORY = 256 << 20;
/** Lines of the console from one audit to the next. */
const STRIDE = 4;
const LOGGED_FROM = 120;

const kernels: readonly [string, 'none' | 'pkvm', BootFiles | undefined][] = [
  ['the small kernel', 'none', await small()],
  ['the small kernel', 'pkvm', await small()],
  ['debian-13', 'none', await pulled('debian-13')],
];

let machine: Machine | undefined;
afterEach(() => machine?.dispose());

/** RAM is logged from here on. */
function log({ memory }: Vm): void {
  const [ram] = memory.mapper.slots.all();
  memory.setUserMemoryRegion({
    slot: ram.id,
    flags: MEM_LOG_DIRTY_PAGES,
    gpa: ram.gfn * PAGE_SIZE,
    size: ram.pages * PAGE_SIZE,
    hva: ram.hva,
  });
}

describe.skipIf(onQemu)('the audit at any point of a boot', () => {
  for (const [name, protect, files] of kernels) {
    it.skipIf(!files)(`finds nothing: ${name}, --protect ${protect}`, { timeout: LIMIT }, async () => {
      if (!files) return;
      let vm: Vm | undefined;
      const made = await Machine.create({ ...files, memory: MEMORY, protect, log: silentLog }, (config) => {
        const prepared = prepareVm(config);
        if (prepared.vm instanceof Vm) vm = prepared.vm;
        return prepared;
      });
      machine = made;
      if (!vm) throw new Error('the machine has another VM');
      const { memory } = vm;
      const found: Violation[] = [];
      let [lines, audits, logged] = [0, 0, 0];
      const look = (): void => {
        lines++;
        if (lines === LOGGED_FROM) log(vm!);
        if (lines % STRIDE !== 0) return;
        audits++;
        found.push(...audit(memory.ledger));
        if (lines > LOGGED_FROM && lines % 40 === 0)
          logged += memory.getDirtyLog(memory.mapper.slots.all()[0].id).filter((bits) => bits !== 0).length;
      };
      const guest = new Guest({
        onOutput: (listener) =>
          void made.console.onOutput((bytes) => {
            for (const byte of bytes) if (byte === 10) look();
            listener(bytes);
            return new Promise((resolve) => setImmediate(resolve));
          }),
        write: (text) => void made.console.write(text),
        ended: made.run().then(({ status, message }) => ({ status, message, instructions: undefined })),
        kill: () => made.dispose(),
      });
      await guest.prompt();
      await made.pause();
      expect(audit(memory.ledger)).toEqual([]);
      expect(found).toEqual([]);
      expect(audits).toBeGreaterThan(30);
      expect(logged).toBeGreaterThan(100);
      // RAM of the guest is in it: each page that the guest has touched is a frame with a record.
      let mapped = 0;
      memory.guest.table.each(() => mapped++);
      expect(mapped).toBeGreaterThan(4000);
    });
  }
});
