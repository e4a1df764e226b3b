// GDB itself on the small kernel with KASAN: allocation tags of a kernel object, a backtrace through kernel code, a
// watchpoint on tagged memory.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GdbServer, Machine } from '../../src/vmm/index.ts';
import { Guest, onQemu } from './drive.ts';
import { small } from './kernels.ts';

const LIMIT = 300_000;
const files = onQemu ? undefined : await small();
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const hasTools = has('gdb-multiarch') && has('aarch64-linux-gnu-as') && has('aarch64-linux-gnu-ld');
/** The way of a write into the kernel. */
const FUNCTIONS =
  'vfs_write|ksys_write|__arm64_sys_write|invoke_syscall[^ ]*|el0_svc_common[^ ]*|do_el0_svc|el0_svc|el0t_64_sync_handler|el0t_64_sync';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-mte-gdb-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let machine: Machine | undefined;
afterEach(() => machine?.dispose());

async function boot(): Promise<{ guest: Guest; port: number }> {
  const { kernel, initrd, append } = files as NonNullable<typeof files>;
  const made = await Machine.create({
    kernel,
    ...(initrd === undefined ? {} : { initrd }),
    append: append.replace(/ ?kasan=off/, ''),
    memory: '512M',
    clock: 'virtual',
  });
  machine = made;
  const guest = new Guest({
    onOutput: (listener) =>
      void made.console.onOutput((bytes) => {
        listener(bytes);
        return undefined;
      }),
    write: (text) => void made.console.write(text),
    ended: made.run().then(({ status, message }) => ({ status, message, instructions: undefined })),
    kill: () => made.dispose(),
  });
  await guest.prompt();
  const server = await GdbServer.open(made, { kind: 'tcp', port: 0 });
  return { guest, port: server.port as number };
}

/**
 * A file with these symbols, from lines of /proc/kallsyms: the kernel has none of its own. Of frames it says what
 * holds past every prologue: X29 points to the caller's X29 and the return address.
 */
function symbolFile(kallsyms: string): string {
  // The console repeats the command, in as many lines as that takes.
  const symbols = [...kallsyms.matchAll(/^([0-9a-f]{16}) [tT] (\S+)$/gm)]
    .map(([, address, name]) => ({ address: BigInt(`0x${address}`), name }))
    .sort((a, b) => Number(a.address - b.address));
  const base = (symbols[0]?.address ?? 0n) & ~0xfffn;
  const text = symbols.map(({ address, name }, n) => {
    const room = (symbols[n + 1]?.address ?? address + 0x1000n) - address;
    const frame = '.cfi_def_cfa x29, 16\n.cfi_offset x29, -16\n.cfi_offset x30, -8';
    const size = room < 0x1000n ? room : 0x1000n;
    return `.org ${address - base}\n.type ${name}, %function\n${name}:\n.cfi_startproc\n${frame}\n.skip ${size}\n.cfi_endproc`;
  });
  const file = join(folder, 'symbols');
  writeFileSync(`${file}.s`, `.cfi_sections .debug_frame\n.text\n${text.join('\n')}\n`);
  execFileSync('aarch64-linux-gnu-as', ['-o', `${file}.o`, `${file}.s`]);
  execFileSync('aarch64-linux-gnu-ld', [`-Ttext=0x${base.toString(16)}`, '-e', '0', '-o', file, `${file}.o`]);
  return file;
}

describe.skipIf(!files || !hasTools)('GDB on a kernel with tagged memory', () => {
  it('shows, checks and sets allocation tags, walks the stack, and watches', { timeout: LIMIT }, async () => {
    const { guest, port } = await boot();
    const symbols = symbolFile(await guest.command(`grep -E ' [tT] (${FUNCTIONS})$' /proc/kallsyms`));
    guest.type('while :; do echo written > /tmp/file; sleep 1; done\r');
    const commands = [
      `symbol-file ${symbols}`,
      `target remote 127.0.0.1:${port}`,
      'break *vfs_write',
      'continue',
      'delete',
      'set $file = $x0',
      'printf "file %lx\\n", $file',
      'memory-tag print-logical-tag $file',
      'memory-tag print-allocation-tag $file',
      'memory-tag check $file',
      'rwatch *(char (*)[64]) $file',
      'continue',
      'backtrace',
      'delete',
      'memory-tag set-allocation-tag $file 16 05',
      'memory-tag print-allocation-tag $file',
      'memory-tag check $file',
      'kill',
    ];
    const child = spawn('gdb-multiarch', ['-nx', '-batch', ...commands.flatMap((c) => ['-ex', c])]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        output += bytes.toString('latin1');
      });
    }
    await once(child, 'close');
    expect(output).toMatch(/Breakpoint 1, 0xffff\w+ in vfs_write \(\)/);
    expect(output).toMatch(
      /#0 .*vfs_write \(\)\n#1 .*ksys_write \(\)\n(#\d .*\n)*#\d .*el0_svc \(\)\n#\d .*el0t_64_sync_handler \(\)\n/,
    );
    const tag = /file f([0-9a-f])/.exec(output)?.[1];
    expect(output).toContain(`$1 = 0x${tag}\n$2 = 0x${tag}\n`);
    expect(output).toMatch(new RegExp(`Memory tags for address 0xf${tag}\\w+ match \\(0x${tag}\\)`));
    expect(output).toMatch(/Hardware read watchpoint 2: .*\n\nValue = /);
    expect(output).toContain('Allocation tag(s) updated successfully.\n$3 = 0x5\n');
    expect(output).toMatch(/Logical tag \(0x\w\) does not match the allocation tag \(0x5\)/);
  });
});
