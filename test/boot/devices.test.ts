// What a user does with a guest's devices, under real drivers: a file system on a disk, sleeping, the date, rebooting.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Guest, type GuestOptions, onQemu, startGuest } from './drive.ts';
import { anyLinux, pulled } from './kernels.ts';
import { hasExt4Tools, SBIN } from './tools.ts';

const LIMIT = 300_000;
const files = await anyLinux();
const debian = await pulled('debian-13');

let folder = '';
let guest: Guest | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-devices-'));
});
afterEach(() => guest?.kill());
afterAll(() => rmSync(folder, { recursive: true }));

async function boot(options: Partial<GuestOptions> = {}): Promise<Guest> {
  const from = files ?? debian;
  if (!from) throw new Error('this test is skipped without a kernel');
  guest = await startGuest({ ...from, append: `${from.append} quiet`, ...options });
  await guest.prompt();
  return guest;
}

function disk(name: string, mebibytes: number): string {
  const file = join(folder, name);
  writeFileSync(file, '');
  truncateSync(file, mebibytes << 20);
  return file;
}

describe.skipIf(!files)('Linux: devices', () => {
  it.skipIf(!hasExt4Tools)(
    'keeps 64 MiB on ext4 over a remount, and fsck is content',
    { timeout: LIMIT },
    async () => {
      const image = disk('ext4', 96);
      execFileSync('mke2fs', ['-q', '-t', 'ext4', '-F', image], { env: SBIN });
      const shell = await boot({ drives: [image] });
      expect(await shell.command('mount -t ext4 /dev/vda /mnt')).not.toMatch(/failed/);
      await shell.command('dd if=/dev/urandom of=/mnt/file bs=1M count=64 2>/dev/null');
      const before = await shell.command('md5sum < /mnt/file');
      expect(await shell.command('umount /mnt && mount -t ext4 /dev/vda /mnt && echo again')).toBe('again\n');
      await shell.command('echo 3 > /proc/sys/vm/drop_caches');
      expect(before).toMatch(/^[0-9a-f]{32} /);
      expect(await shell.command('md5sum < /mnt/file')).toBe(before);
      expect(await shell.command('wc -c < /mnt/file')).toBe(`${64 << 20}\n`);
      await shell.command('umount /mnt');
      shell.type('poweroff\r');
      expect((await shell.ended()).status).toBe(0);
      // -f -n: a full check that changes nothing.
      expect(spawnSync('e2fsck', ['-f', '-n', image], { env: SBIN }).status).toBe(0);
    },
  );

  it('reads and writes a raw disk where the host sees it', { timeout: LIMIT }, async () => {
    const image = disk('raw', 1);
    writeFileSync(image, Buffer.alloc(1 << 20, 'ab'));
    const shell = await boot({ drives: [image] });
    expect(await shell.command('blockdev --getsize64 /dev/vda')).toBe(`${1 << 20}\n`);
    expect(await shell.command('dd if=/dev/vda bs=4 count=1 skip=7 2>/dev/null; echo')).toBe('abab\n');
    await shell.command('echo marker | dd of=/dev/vda bs=512 seek=3 conv=fsync 2>/dev/null');
    shell.type('poweroff\r');
    await shell.ended();
    const found = execFileSync('dd', [`if=${image}`, 'bs=1', 'skip=1536', 'count=6'], { stdio: 'pipe' });
    expect(found.toString()).toBe('marker');
  });

  it('sleeps a second of its own time', { timeout: LIMIT }, async () => {
    const shell = await boot();
    const uptime = async (): Promise<number> =>
      Number((await shell.command('cat /proc/uptime')).split(' ')[0]);
    const before = await uptime();
    await shell.command('sleep 1');
    const took = (await uptime()) - before;
    expect(took).toBeGreaterThanOrEqual(1);
    expect(took).toBeLessThan(1.5);
  });

  it.skipIf(onQemu)('reboots, and powers off the second time', { timeout: LIMIT }, async () => {
    const shell = await boot();
    shell.type('reboot\r');
    await shell.until(/Linux \S+ on 1 CPU/);
    await shell.prompt();
    shell.type('poweroff\r');
    expect((await shell.ended()).status).toBe(0);
  });

  it.skipIf(onQemu)('tells a panic from a power-off', { timeout: LIMIT }, async () => {
    const shell = await boot();
    shell.type('echo c > /proc/sysrq-trigger\r');
    expect(await shell.ended()).toMatchObject({
      status: 3,
      message: expect.stringContaining('Kernel panic'),
    });
  });

  it.skipIf(onQemu)('has the same run twice with the virtual clock', { timeout: LIMIT }, async () => {
    const once = async (): Promise<unknown> => {
      const shell = await boot();
      await shell.command(
        'cat /proc/interrupts; date; sleep 2; dd if=/dev/urandom bs=16 count=1 2>/dev/null | md5sum',
      );
      shell.type('poweroff\r');
      const { instructions } = await shell.ended();
      return { console: shell.console, instructions };
    };
    expect(await once()).toEqual(await once());
  });
});

// The small kernel cannot read a clock chip.
describe.skipIf(!debian)('debian-13: the clock chip', () => {
  it.skipIf(onQemu)('knows the date it was given', { timeout: LIMIT }, async () => {
    const noon = Date.UTC(2031, 4, 6, 12) / 1000;
    if (!debian) return;
    const shell = await boot({ ...debian, more: { epochSeconds: noon } });
    const seconds = Number(await shell.command('date +%s'));
    expect(seconds).toBeGreaterThanOrEqual(noon);
    expect(seconds).toBeLessThan(noon + 60);
  });
});
