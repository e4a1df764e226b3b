// Memory tagging under Linux: the kernel's own use of it (KASAN with hardware tags), and a user program's.

import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Guest, startGuest } from './drive.ts';
import { type BootFiles, small } from './kernels.ts';
import { canCompile, program, scratchFolder, withFiles } from './programs.ts';

const LIMIT = 300_000;
const files = await small();
/** The small kernel has KASAN on unless it is told otherwise. */
const withKasan = (f: BootFiles): BootFiles => ({ ...f, append: f.append.replace(/ ?kasan=off/, '') });

let guest: Guest | undefined;
afterEach(() => guest?.kill());

describe.skipIf(!files)('KASAN with hardware tags in the small kernel', () => {
  const start = async (): Promise<Guest> => {
    const started = await startGuest(withKasan(files as BootFiles));
    guest = started;
    await started.prompt();
    return started;
  };

  it('is on, and finds nothing in an ordinary boot', { timeout: LIMIT }, async () => {
    const g = await start();
    const log = await g.command('dmesg');
    expect(log).toMatch(/MTE: enabled in synchronous mode at EL1/);
    expect(log).toMatch(/KernelAddressSanitizer initialized \(hw-tags, mode=sync/);
    expect(log).not.toMatch(/BUG:/);
    g.type('poweroff\r');
    expect((await g.ended()).status).toBe(0);
  });

  // The first report turns checks off, and the access is then done: each has a boot of its own.
  it.each([
    ['SLAB_LINEAR_OVERFLOW', /BUG: KASAN: \S+ in lkdtm_SLAB_LINEAR_OVERFLOW.*\n.*Write at addr f/],
    ['READ_AFTER_FREE', /BUG: KASAN: slab-use-after-free in lkdtm_READ_AFTER_FREE.*\n.*Read at addr f/],
  ])('reports LKDTM %s', { timeout: LIMIT }, async (what, report) => {
    const g = await start();
    await g.command('mount -t debugfs none /sys/kernel/debug');
    g.type(`echo ${what} > /sys/kernel/debug/provoke-crash/DIRECT\r`);
    await g.until(/BUG: KASAN/);
    await g.until(/Pointer tag: \[f\w\], memory tag: \[f\w\]/);
    await g.until(/Memory state around the buggy address/);
    expect(g.console.replace(/\r/g, '')).toMatch(report);
  });
});

describe.skipIf(!files || !canCompile())('a user program with MTE (test/boot/mte-user.c)', () => {
  it.each([
    ['kasan=off', (f: BootFiles) => f],
    ['KASAN', withKasan],
  ])('finds what Linux promises, with %s', { timeout: LIMIT }, async (_, choose) => {
    const { kernel, initrd, append } = choose(files as BootFiles);
    guest = await startGuest({ kernel, append, initrd: withFiles(initrd as string, program('mte-user')) });
    await guest.prompt();
    const lines = (await guest.command('/mte-user')).trim().split('\n');
    expect(lines.filter((line) => !line.endsWith(': yes'))).toEqual(['end of checks']);
    expect(lines.length).toBeGreaterThan(25);
    guest.type('poweroff\r');
    expect((await guest.ended()).status).toBe(0);
  });
});

describe.skipIf(!files || !canCompile())('tags and swap', () => {
  it('keeps the tags of pages that go out to a disk and come back', { timeout: LIMIT }, async () => {
    const { kernel, initrd, append } = withKasan(files as BootFiles);
    const disk = join(scratchFolder(), `swap.${process.pid}`);
    writeFileSync(disk, '');
    truncateSync(disk, 128 << 20);
    try {
      const more = withFiles(initrd as string, program('mte-user'));
      guest = await startGuest({ kernel, append, initrd: more, drives: [disk], memory: '128M' });
      await guest.prompt();
      await guest.command('mkswap /dev/vda && swapon /dev/vda');
      // The kernel's word about the swap device may come in between.
      const printed = await guest.command('/mte-user swap');
      expect(printed).toMatch(/pages are swapped out: yes\nswapped in with their tags: yes\n$/);
      guest.type('poweroff\r');
      expect((await guest.ended()).status).toBe(0);
    } finally {
      rmSync(disk);
    }
  });
});

describe.skipIf(!files || !canCompile())('the C library with a tagged heap (test/boot/mte-heap.c)', () => {
  it('dies of a use after free and of an overflow, as GLIBC_TUNABLES says', { timeout: LIMIT }, async () => {
    const { kernel, initrd, append } = files as BootFiles;
    guest = await startGuest({ kernel, append, initrd: withFiles(initrd as string, program('mte-heap')) });
    await guest.prompt();
    for (const what of ['free', 'overflow']) {
      const run = (mode: number): string => `GLIBC_TUNABLES=glibc.mem.tagging=${mode} /mte-heap ${what}`;
      expect(await guest.command(run(0))).toMatch(/^no signal/);
      expect(await guest.command(run(3))).toBe('signal 11 code 9 address right\n');
      expect(await guest.command(run(1))).toBe('signal 11 code 8 address none\n');
    }
    guest.type('poweroff\r');
    expect((await guest.ended()).status).toBe(0);
  });
});
