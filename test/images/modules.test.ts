import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeInitramfs } from '../../src/images/index.ts';
import { moduleName, readModuleInfo } from '../../src/images/modinfo.ts';
import { findModules, selectModules } from '../../src/images/modules.ts';
import { elfModule } from './elf-module.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-modules-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const add = (file: string, depends: string, more: Record<string, string> = {}): void =>
  writeFileSync(join(folder, file), elfModule({ depends, ...more }));

const namesOf = async (wanted: readonly string[]): Promise<string[]> =>
  (await selectModules(await findModules(folder), wanted)).map((m) => m.info.name);

describe('module information (.modinfo)', () => {
  it('gives needs, soft needs and aliases', () => {
    const elf = elfModule({
      name: 'ext4',
      depends: 'jbd2,mbcache',
      softdep: 'pre: crc32c post: x',
      alias: 'fs-ext4',
    });
    expect(readModuleInfo(elf, 'ext4.ko')).toEqual({
      name: 'ext4',
      depends: ['jbd2', 'mbcache'],
      softPre: ['crc32c'],
      aliases: ['fs-ext4'],
    });
  });

  it('reads 32-bit modules too', () => {
    const elf = elfModule({ name: 'ata_piix', depends: 'libata,scsi_mod' }, 32);
    expect(readModuleInfo(elf, 'ata_piix.ko').depends).toEqual(['libata', 'scsi_mod']);
    expect(() => readModuleInfo(elf.subarray(0, 70), 'cut.ko')).toThrow(/not a kernel module/);
  });

  it('refuses what is not a module, naming the file', () => {
    expect(() => readModuleInfo(new Uint8Array(200), 'broken.ko')).toThrow(
      /^broken\.ko: not a kernel module$/,
    );
    const cut = elfModule({ depends: '' }).subarray(0, 90);
    expect(() => readModuleInfo(cut, 'cut.ko')).toThrow(/not a kernel module/);
  });

  it("turns a file's name into the kernel's", () => {
    expect(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.xz')).toBe('virtio_rng');
  });
});

describe('choosing modules', () => {
  it('puts needs before their users, once', async () => {
    add('virtio_net.ko', 'net_failover');
    add('net_failover.ko', 'failover');
    add('failover.ko', '');
    add('unrelated.ko', '');
    expect(await namesOf(['virtio_net', 'net_failover'])).toEqual(['failover', 'net_failover', 'virtio_net']);
  });

  it('leaves out what the kernel has built in, and survives a circle', async () => {
    add('a.ko', 'b,built_in');
    add('b.ko', 'a');
    expect(await namesOf(['a', 'virtio_pci'])).toEqual(['b', 'a']);
  });

  it('unpacks xz', async () => {
    add('virtio-rng.ko', '');
    execFileSync('xz', [join(folder, 'virtio-rng.ko')]);
    expect(await namesOf(['virtio_rng'])).toEqual(['virtio_rng']);
  });
});

describe('the initramfs', () => {
  it('loads at boot only what was asked for, with its needs; the rest on demand', async () => {
    add('virtio_net.ko', 'failover');
    add('failover.ko', '');
    add('ext4.ko', 'jbd2', { alias: 'fs-ext4' });
    add('jbd2.ko', '');
    const modules = await selectModules(await findModules(folder), ['virtio_net', 'ext4']);
    const busybox = new Uint8Array(4);
    const archive = Buffer.from(
      makeInitramfs({ busybox, modules, release: '6.12', loadAtBoot: ['virtio_net'] }),
    ).toString('latin1');
    expect(archive).toContain('failover.ko\nvirtio_net.ko\n');
    expect(archive).not.toContain('ext4.ko\nfailover');
    expect(archive).toContain('ext4.ko: jbd2.ko\n');
    expect(archive).toContain('alias fs-ext4 ext4\n');
    expect(archive).toContain('lib/modules/6.12/ext4.ko');
  });
});
