// A protected guest under pKVM's rules: the small kernel, which knows them, uses a disk through shared pages while all
// else is its own; a kernel that touches a device unannounced ends with a sentence that says so.

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MemoryPort } from '../../src/hypervisor/index.ts';
import { audit, OWNED } from '../../src/hypervisor/ledger/index.ts';
import { explain } from '../../src/hypervisor/stage2/index.ts';
import { PAGE_SIZE, silentLog } from '../../src/lib/index.ts';
import type { DeviceEnv } from '../../src/vmm/devices/index.ts';
import { streamNet } from '../../src/vmm/devices/virtio/node.ts';
import { type Machine, type MachineOptions, VirtioNet } from '../../src/vmm/index.ts';
import { bootConfidential, type Confidential } from './confidential.ts';
import { onQemu } from './drive.ts';
import { type BootFiles, small } from './kernels.ts';
import { hasExt4Tools, hasPasst, SBIN } from './tools.ts';

const LIMIT = 300_000;
const MEMORY = 256 << 20;
const RAM = 0x4000_0000;
/** Within the kernel. */
const TEXT = RAM + 0x20_0000;
/** An eighth of RAM, at its end. */
const POOL = MEMORY / 8;
const files = onQemu ? undefined : await small();

let folder = '';
let machine: Machine | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-protected-'));
});
afterEach(() => machine?.dispose());
afterAll(() => rmSync(folder, { recursive: true }));

/** An ext4 disk with one file. */
function disk(text: string): string {
  const content = join(folder, 'content');
  execFileSync('mkdir', ['-p', content]);
  writeFileSync(join(content, 'greeting'), text);
  const image = join(folder, 'disk');
  writeFileSync(image, '');
  truncateSync(image, 16 << 20);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-F', '-d', content, image], { env: SBIN });
  return image;
}

async function boot(from: BootFiles, options: Partial<MachineOptions>): Promise<Confidential> {
  const booted = await bootConfidential('pkvm', from, { memory: MEMORY, ...options });
  machine = booted.made;
  // What was loaded is the guest's before it runs.
  expect(reads(booted.vm.memory.devicePort(0x10), TEXT)).toBe('sealed');
  return booted;
}

/** Of a file in whole pages: how many, and their SHA-256. */
function digestOfPages(file: Uint8Array): [number, string] {
  const pages = Math.ceil(file.length / PAGE_SIZE);
  const padding = new Uint8Array(pages * PAGE_SIZE - file.length);
  return [pages, createHash('sha256').update(file).update(padding).digest('hex')];
}

const reads = (port: MemoryPort, address: number): string =>
  port.read(address, new Uint8Array(8))?.rule ?? 'allowed';

describe.skipIf(!files || !hasExt4Tools)('Linux as a protected guest (pKVM)', () => {
  it('uses a disk through shared pages, and every other page is its own', { timeout: LIMIT }, async () => {
    if (!files) return;
    const drives = [{ source: disk('from outside\n'), readOnly: true }];
    const { guest, made, vm, log } = await boot(files, { drives });
    await guest.prompt();
    expect(await guest.command('mount -t ext4 -o ro /dev/vda /mnt && cat /mnt/greeting')).toBe(
      'from outside\n',
    );
    const dmesg = await guest.command('dmesg');
    expect(dmesg).toMatch(/created restricted DMA pool at 0x0*4e000000, size 32 MiB/);
    expect(dmesg).toMatch(/virtio-pci 0000:00:01.0: assigned reserved memory node restricted-dma@4e000000/);
    expect(await guest.command('dmesg -r | grep "^<[0-4]>"')).toBe('');

    await made.pause();
    const { memory } = vm;
    // The pool as a whole, the tables of the interrupt controller, and nothing of the kernel.
    const pages = { private: 0, shared: 0, pool: 0 };
    memory.guest.table.each((gfn) => {
      const inPool = gfn * PAGE_SIZE >= RAM + MEMORY - POOL;
      if (memory.guest.stateAt(gfn) === OWNED) pages.private++;
      else if (inPool) pages.pool++;
      else pages.shared++;
    });
    expect(pages.pool).toBe(POOL / PAGE_SIZE);
    expect(pages.shared).toBeLessThan(400);
    expect(pages.private).toBeGreaterThan(4000);
    const payload = made.stats().protection?.payload ?? [];
    expect(payload.map(({ pages: n, sha256 }) => [n, sha256])).toContainEqual(
      digestOfPages(readFileSync(files.initrd ?? '')),
    );
    expect(made.stats().protection).toMatchObject({
      privatePages: pages.private,
      sharedPages: pages.shared + pages.pool,
      guardDenials: 0,
    });

    // The VMM and a device reach the pool, and not the kernel's text.
    const device = memory.devicePort(0x10);
    expect(explain(memory, TEXT).guestState).toBe('OWNED');
    expect([reads(device, TEXT), reads(device, RAM + MEMORY - POOL)]).toEqual(['sealed', 'allowed']);
    const slot = memory.mapper.slots.find(RAM / PAGE_SIZE);
    if (!slot) throw new Error('RAM is in no slot');
    const at = (gpa: number): number => slot.hvaPage * PAGE_SIZE + gpa - RAM;
    expect(reads(memory.space.port, at(TEXT))).toBe('sealed');
    expect(reads(memory.space.port, at(RAM + MEMORY - POOL))).toBe('allowed');
    expect(() => vm.vcpus[0].setRegister('x0', 1n)).toThrow(/EPERM/);

    // The guest announced its serial port and PCI configuration space, and not the windows that it does not use.
    const guarded = new Set(memory.mmioGuard.list().map(({ gfn }) => gfn * PAGE_SIZE));
    expect([0x900_0000, 0x40_1000_0000, 0xa00_0000].map((address) => guarded.has(address))).toEqual([
      true,
      true,
      false,
    ]);
    expect(audit(vm.memory.ledger)).toEqual([]);
    expect(log).toEqual([]);

    made.resume();
    guest.type('poweroff\r');
    expect(await guest.ended()).toMatchObject({ status: 0 });
  });

  it.skipIf(!hasPasst)('gets a page from the host through passt', { timeout: LIMIT }, async () => {
    if (!files) return;
    // Started as root, passt becomes nobody before it makes its socket.
    chmodSync(folder, 0o777);
    const path = join(folder, 'socket');
    const passt = spawn('passt', ['--foreground', '--one-off', '--socket', path], { stdio: 'ignore' });
    const server = createServer((_, response) => response.end('x'.repeat(1 << 18)));
    try {
      for (let tries = 0; !existsSync(path) && tries < 100; tries++) await sleep(50);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      const backend = streamNet({ address: { path }, log: silentLog });
      const virtio = [{ create: (env: DeviceEnv) => new VirtioNet({ backend }, env) }];
      const { guest, log } = await boot(files, { virtio, clock: 'host' });
      await guest.prompt();
      const gateway = /default via (\S+)/.exec(await guest.command('ip route'))?.[1];
      expect(await guest.command(`wget -q -O - http://${gateway}:${port}/ | wc -c`)).toBe(`${1 << 18}\n`);
      expect(log).toEqual([]);
      backend.dispose();
    } finally {
      server.close();
      passt.kill();
    }
  });

  it('that uses a device unannounced ends with a sentence that says so', { timeout: LIMIT }, async () => {
    if (!files) return;
    const { guest } = await boot({ ...files, append: `${files.append} earlycon` }, {});
    const { status, message } = await guest.ended();
    expect(status).toBe(3);
    expect(message).toContain('used the device at 0x9000000 without a call to the MMIO guard');
    expect(message).toContain('CONFIG_ARM_PKVM_GUEST');
  });
});
