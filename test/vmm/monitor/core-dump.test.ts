// Core dumps: what stands in the file, what readelf and GDB make of it, and that private memory is not in it.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { dumpCore, dumpCoreToFile, Machine, type MachineDebugger, QmpError } from '../../../src/vmm/index.ts';
import { DUMP_COMMANDS } from '../../../src/vmm/monitor/core-dump/index.ts';
import type { QmpMachine } from '../../../src/vmm/monitor/qmp-commands.ts';

const LIMIT = 60_000;
const PAGE = 4096;
const RAM = 0x4000_0000;
const KERNEL = join(resolve(import.meta.dirname, '../../..'), 'guests/embedded.Image');
const READELF = 'aarch64-linux-gnu-readelf';
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

type Stretch = MachineDebugger['stretches'] extends () => Iterable<infer S> ? S : never;

let folder = '';
let machine: Machine | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-core-'));
});
afterEach(() => {
  machine?.dispose();
  machine = undefined;
});
afterAll(() => rmSync(folder, { recursive: true }));

const page = (n: number, pages: number, kind: Stretch['kind'], tagged = false): Stretch => ({
  address: RAM + n * PAGE,
  bytes: pages * PAGE,
  kind,
  tagged,
  rule: kind === 'withheld' ? 'sealed' : '',
});

/** Two pages with content of which the second has tags, six untouched, two withheld, and two more tagged ones. */
const STRETCHES = [
  page(0, 1, 'content'),
  page(1, 1, 'content', true),
  page(2, 6, 'untouched'),
  page(8, 2, 'withheld'),
  page(10, 2, 'content', true),
];
const byteAt = (address: number): number => (address * 7 + 1) & 0xff;
const tagAt = (granule: number): number => (granule * 3 + 1) & 15;

class FakeFace implements Pick<MachineDebugger, 'stretches' | 'readPhysical' | 'readPhysicalTags'> {
  isOpen = true;
  hasMte = true;
  vcpus = [this.vcpu(0), this.vcpu(1)];

  private vcpu(n: number): MachineDebugger['vcpus'][number] {
    const value = (name: string): bigint => {
      if (name === 'pc') return BigInt(RAM + 0x40 + n);
      if (name === 'sp') return 0xffff_8000_1234_0000n;
      if (/^x\d/.test(name)) return BigInt(`0x${n + 1}00${name.slice(1)}`);
      if (/^v\d/.test(name)) return (BigInt(name.slice(1)) << 64n) | 0x55n;
      return name.startsWith('pac_mask') ? 0x007f_0000_0000_0000n : 5n;
    };
    return { poweredOn: true, readRegister: value } as MachineDebugger['vcpus'][number];
  }
  stretches(): Stretch[] {
    return STRETCHES;
  }
  readPhysical(address: number, into: Uint8Array): undefined {
    for (let n = 0; n < into.length; n++) into[n] = byteAt(address + n);
  }
  readPhysicalTags(address: number, tags: Uint8Array): void {
    for (let n = 0; n < tags.length; n++) tags[n] = tagAt((address - RAM) / 16 + n);
  }
}

async function dumped(face: MachineDebugger): Promise<string> {
  const file = join(folder, 'core');
  await dumpCoreToFile(face, file);
  return file;
}

describe.skipIf(!has(READELF))('a core dump, to readelf', () => {
  it('has a segment of memory and one of tags for each stretch that is shown', async () => {
    const file = await dumped(new FakeFace() as MachineDebugger);
    const text = execFileSync(READELF, ['-lW', file]).toString();
    const rows = text
      .split('\n')
      .filter((line) => /^ +(LOAD|AARCH64_MEMTAG)/.test(line))
      .map((line) => line.trim().split(/\s+/));
    expect(
      rows.map(([type, , va, pa, file_, memory]) =>
        [type?.replace('_MTE', ''), va, pa, file_, memory].join(' '),
      ),
    ).toEqual([
      'LOAD 0x0000000040000000 0x0000000040000000 0x008000 0x008000',
      'LOAD 0x000000004000a000 0x000000004000a000 0x002000 0x002000',
      'AARCH64_MEMTAG 0x0000000040000000 0x0000000000000000 0x000400 0x008000',
      'AARCH64_MEMTAG 0x000000004000a000 0x0000000000000000 0x000100 0x002000',
    ]);
  });

  it('has a thread for each vCPU, and says what is withheld', async () => {
    const notes = execFileSync(READELF, ['-nW', await dumped(new FakeFace() as MachineDebugger)]).toString();
    expect(notes.match(/NT_PRSTATUS/g)).toHaveLength(2);
    expect(notes.match(/NT_FPREGSET/g)).toHaveLength(2);
    expect(notes).toMatch(/Ringfence +0x00000010/);
    expect(notes).toMatch(/description data: 00 80 00 40 00 00 00 00 00 20 00 00 00 00 00 00/);
  });
});

describe.skipIf(!has('gdb-multiarch'))('a core dump, to GDB', () => {
  const gdb = (file: string, ...commands: string[]): string => {
    const all = ['set architecture aarch64', 'set osabi GNU/Linux', `core-file ${file}`, ...commands];
    const child = spawnSync('gdb-multiarch', ['-nx', '-batch', ...all.flatMap((c) => ['-ex', c])]);
    return `${child.stdout}${child.stderr}`;
  };

  it('shows threads, registers and memory, and not what is withheld', async () => {
    const file = await dumped(new FakeFace() as MachineDebugger);
    const out = gdb(
      file,
      'info threads',
      'thread 1',
      'p/x $x7',
      'p/x $pc',
      'p/x $v3',
      `x/4xb ${RAM + 0x10}`,
      `x/1xb ${RAM + 8 * PAGE}`,
      `x/1xb ${RAM + 3 * PAGE}`,
    );
    expect(out).toMatch(/LWP 1\b[\s\S]*LWP 2\b/);
    expect(out).toContain('$1 = 0x1007');
    expect(out).toContain('$2 = 0x40000040');
    expect(out).toContain('u = {0x55, 0x3}');
    const bytes = [0, 1, 2, 3].map(
      (n) =>
        `0x${byteAt(RAM + 0x10 + n)
          .toString(16)
          .padStart(2, '0')}`,
    );
    expect(out).toContain(`0x40000010:\t${bytes.join('\t')}`);
    expect(out).toContain('Cannot access memory at address 0x40008000');
    expect(out).toMatch(/0x40003000:\t0x00/);
  });

  it('has allocation tags', async () => {
    const out = gdb(
      await dumped(new FakeFace() as MachineDebugger),
      `memory-tag print-allocation-tag ${RAM + PAGE + 0x20}`,
      `memory-tag print-allocation-tag ${RAM + 11 * PAGE}`,
      `memory-tag print-allocation-tag ${RAM + 4 * PAGE}`,
    );
    const tag = (at: number): string => `0x${tagAt(at / 16).toString(16)}`;
    expect(out).toContain(`$1 = ${tag(PAGE + 0x20)}\n$2 = ${tag(11 * PAGE)}\n$3 = 0x0\n`);
  });
});

describe('a core dump', () => {
  it('takes no more of the disk than there is content', async () => {
    const face = new FakeFace() as MachineDebugger;
    const file = join(folder, 'sparse');
    const summary = await dumpCoreToFile(face, file);
    expect(summary.bytes).toBe(statSync(file).size);
    expect(summary.writtenBytes).toBeLessThan(summary.bytes - 5 * PAGE);
    expect(summary.withheldBytes).toBe(2 * PAGE);
  });

  it('has no registers of a guest that is closed to debuggers', async () => {
    const face = new FakeFace();
    face.isOpen = false;
    for (const vcpu of face.vcpus) {
      vcpu.readRegister = () => {
        throw new Error('EPERM');
      };
    }
    const pieces: Uint8Array[] = [];
    await dumpCore(face as MachineDebugger, { write: (_, bytes) => void pieces.push(bytes), end() {} });
    expect(pieces.length).toBeGreaterThan(1);
  });
});

describe('a core dump of a real machine', () => {
  const kernel = readFileSync(KERNEL);
  /** A part of the image that is like no other memory. */
  const mark = kernel.subarray(0x800, 0x840);

  const create = async (protect: 'none' | 'pkvm'): Promise<Machine> => {
    machine = await Machine.create({ kernel: KERNEL, memory: '64M', paused: true, protect, append: 'auto' });
    return machine;
  };
  const dump = async (m: QmpMachine, args: Record<string, unknown>): Promise<unknown> =>
    await DUMP_COMMANDS['dump-guest-memory']?.run(m, { paging: false, ...args });

  it('holds an ordinary guest', { timeout: LIMIT }, async () => {
    const file = join(folder, 'ordinary');
    expect(await dump(await create('none'), { protocol: `file:${file}` })).toEqual({});
    expect(readFileSync(file).indexOf(mark)).toBeGreaterThan(0);
  });

  it("holds no byte of a protected guest's own memory", { timeout: LIMIT }, async () => {
    const m = await create('pkvm');
    const end = m.run();
    const file = join(folder, 'protected');
    await dump(m, { protocol: `file:${file}` });
    expect(readFileSync(file).indexOf(mark)).toBe(-1);
    const withheld = [...m.debugger.stretches()].filter((s) => s.kind === 'withheld');
    expect(withheld.some((s) => s.address <= RAM && s.address + s.bytes >= RAM + kernel.length)).toBe(true);
    m.quit();
    await end;
  });

  it('can be of a part, and says what it cannot do', { timeout: LIMIT }, async () => {
    const m = await create('none');
    const file = join(folder, 'part');
    await dump(m, { protocol: `file:${file}`, begin: RAM + PAGE, length: 2 * PAGE });
    expect(statSync(file).size).toBeLessThan(8 * PAGE);
    const refusals: [Record<string, unknown>, string][] = [
      [{ protocol: `file:${file}`, paging: true }, 'unsupported on this CPU'],
      [{ protocol: `file:${file}`, format: 'kdump-zlib' }, 'not available'],
      [{ protocol: 'fd:3' }, 'file:PATH'],
      [{ protocol: `file:${file}`, begin: 0 }, "'length' is missing"],
      [{ protocol: `file:${file}`, begin: 0, length: PAGE }, 'no memory'],
      [{ protocol: `file:${file}`, detach: true }, 'detach'],
    ];
    for (const [args, text] of refusals) {
      await expect(dump(m, args)).rejects.toThrow(QmpError);
      await expect(dump(m, args)).rejects.toThrow(text);
    }
    await expect(dump(m, { protocol: 'file:/nowhere/core' })).rejects.toThrow('ENOENT');
  });
});
