// Linux in an Arm CCA realm: it says itself what it shares, its devices bounce, its interrupts come through an ITS whose
// tables it shares, and a token says what it started from.

import { execFileSync, spawn } from 'node:child_process';
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
import { developmentCpak, type MemoryPort, verifyToken } from '../../src/hypervisor/index.ts';
import { audit } from '../../src/hypervisor/ledger/index.ts';
import { RIPAS_EMPTY, RIPAS_RAM } from '../../src/hypervisor/realm/index.ts';
import { explain } from '../../src/hypervisor/stage2/index.ts';
import { PAGE_SIZE, silentLog } from '../../src/lib/index.ts';
import type { DeviceEnv } from '../../src/vmm/devices/index.ts';
import { streamNet } from '../../src/vmm/devices/virtio/node.ts';
import {
  Machine,
  type MachineOptions,
  VirtioBalloon,
  VirtioConsole,
  VirtioNet,
  VirtioRng,
} from '../../src/vmm/index.ts';
import { bootConfidential, type Confidential } from './confidential.ts';
import { type Guest, onQemu } from './drive.ts';
import { type BootFiles, pulled, small } from './kernels.ts';
import { hasExt4Tools, hasPasst, SBIN } from './tools.ts';

const LIMIT = 600_000;
const MEMORY = 512 << 20;
const RAM = 0x4000_0000;
const TEXT = RAM + 0x20_0000;
const ALIAS = 2 ** 40;
const files = onQemu ? undefined : await small();
const debian = onQemu ? undefined : await pulled('debian-13-backports');
/** The kernel whose boot is to be timed: an image's name, or small. Without one nothing is timed. */
const COST_OF = process.env.RINGFENCE_COST_OF;
const timed = COST_OF === 'small' ? files : COST_OF && (await pulled(COST_OF));
/** Linux 6.12: the last before realms. */
const older = onQemu ? undefined : await pulled('debian-13');

let folder = '';
let machine: Machine | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-realm-'));
  // Started as root, passt becomes nobody before it makes its socket.
  chmodSync(folder, 0o777);
});
afterEach(() => machine?.dispose());
afterAll(() => rmSync(folder, { recursive: true }));

async function boot(from: BootFiles, options: Partial<MachineOptions>): Promise<Confidential> {
  const booted = await bootConfidential('realm', from, { memory: MEMORY, ...options });
  machine = booted.made;
  return booted;
}

const reads = (port: MemoryPort, address: number): string =>
  port.read(address, new Uint8Array(8))?.rule ?? 'allowed';

function disk(): string {
  const image = join(folder, 'disk');
  writeFileSync(image, '');
  truncateSync(image, 64 << 20);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-F', image], { env: SBIN });
  return image;
}

/** A token of the guest's, for 64 bytes of 'a'. */
async function tokenOf(guest: Guest): Promise<Uint8Array> {
  await guest.command('mount -t configfs none /sys/kernel/config; mkdir /sys/kernel/config/tsm/report/r0');
  const report = '/sys/kernel/config/tsm/report/r0';
  await guest.command(`head -c 64 /dev/zero | tr '\\0' a > ${report}/inblob`);
  expect(await guest.command(`cat ${report}/provider`)).toBe('arm_cca_guest\n');
  return Buffer.from(await guest.command(`base64 ${report}/outblob`), 'base64');
}

describe.skipIf(!files || !hasExt4Tools)('the small kernel as a realm', () => {
  it('uses disk, rng and console through what it shares, and all else is its own', {
    timeout: LIMIT,
  }, async () => {
    if (!files) return;
    const printed: Uint8Array[] = [];
    const virtio: NonNullable<MachineOptions['virtio']> = [
      { create: (env) => new VirtioRng({}, env) },
      {
        create: (env) => new VirtioConsole({ write: (bytes) => void printed.push(bytes.slice()) }, env),
      },
    ];
    const drives = [{ source: disk() }];
    const { guest, made, vm, log } = await boot(files, { drives, virtio, smp: 2 });
    await guest.prompt();
    expect(await guest.command('nproc; dmesg | grep -c "Using RSI version 1.0"')).toBe('2\n1\n');
    // More than the bounce buffers hold at once.
    const write = 'mount -t ext4 /dev/vda /mnt && dd if=/dev/urandom of=/mnt/a bs=1M count=24 2>/dev/null';
    await guest.command(`${write} && md5sum < /mnt/a > sum && sync && echo 3 > /proc/sys/vm/drop_caches`);
    expect(await guest.command('md5sum < /mnt/a | cmp - sum && echo same')).toBe('same\n');
    expect(await guest.command('dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c')).toBe('64\n');
    await guest.command('echo to the host > /dev/hvc0');
    expect(Buffer.concat(printed).toString()).toContain('to the host');
    expect(await guest.command('dmesg -r | grep "^<[0-3]>"')).toBe('');

    await made.pause();
    const { memory } = vm;
    const { space } = memory.realm!;
    const protection = made.stats().protection!;
    const end = RAM + MEMORY;
    expect(protection.privatePages).toBe(space.count(RAM / PAGE_SIZE, end / PAGE_SIZE, RIPAS_RAM));
    expect(protection.sharedPages).toBe(space.count(RAM / PAGE_SIZE, end / PAGE_SIZE, RIPAS_EMPTY));
    expect(protection.sharedPages).toBeGreaterThan(0);
    expect(protection.privatePages).toBeGreaterThan(0.7 * (MEMORY / PAGE_SIZE));
    expect(protection.guardDenials).toBe(0);
    let shared = RAM / PAGE_SIZE;
    while (space.ripas(shared) !== RIPAS_EMPTY) shared++;
    const device = memory.devicePort(0x10);
    for (const half of [0, ALIAS]) {
      expect(reads(device, half + TEXT)).toBe('sealed');
      expect(reads(device, half + shared * PAGE_SIZE)).toBe('allowed');
    }
    expect(explain(memory, TEXT)).toMatchObject({ guestState: 'OWNED', realm: { ripas: 'RAM' } });
    expect(() => vm.vcpus[0].setRegister('x0', 1n)).toThrow(/EPERM/);
    expect(audit(memory.ledger)).toEqual([]);
    expect(log).toEqual([]);
    made.resume();
    guest.type('poweroff\r');
    expect(await guest.ended()).toMatchObject({ status: 0 });
  });

  it('gets a token whose measurement another initial RAM disk changes', { timeout: LIMIT }, async () => {
    if (!files?.initrd) return;
    const { guest, made } = await boot(files, {});
    await guest.prompt();
    const report = verifyToken(await tokenOf(guest), developmentCpak());
    expect(report.verified).toBe(true);
    const measured = made.stats().protection?.initialMeasurement;
    expect(report.realm).toMatchObject({ challenge: '61'.repeat(64), 'initial-measurement': measured });
    const again = await Machine.create({ ...files, memory: MEMORY, protect: 'realm' });
    const initrd = readFileSync(files.initrd);
    initrd[initrd.length >> 1] ^= 1;
    const other = await Machine.create({ ...files, memory: MEMORY, protect: 'realm', initrd });
    const before = [again, other].map((one) => one.stats().protection?.initialMeasurement);
    expect(before[0]).not.toBe(before[1]);
    again.dispose();
    other.dispose();
  });

  it('a balloon, whose driver knows no DMA, fails by a rule and harms nobody', {
    timeout: LIMIT,
  }, async () => {
    if (!files) return;
    const virtio: NonNullable<MachineOptions['virtio']> = [
      { create: (env) => new VirtioBalloon({ backend: { inflate: () => {}, deflate: () => {} } }, env) },
    ];
    const { guest, vm, log } = await boot(files, { virtio });
    await guest.prompt();
    expect(log.join('\n')).toMatch(/virtio-balloon.*private page/);
    expect(await guest.command('echo alive')).toBe('alive\n');
    expect(audit(vm.memory.ledger)).toEqual([]);
  });
});

describe.skipIf(!debian || !hasExt4Tools)("Debian's 7.x cloud kernel as a realm", () => {
  it.skipIf(!hasPasst)(
    'has disk, network, interrupts of an ITS, and a token',
    { timeout: LIMIT },
    async () => {
      if (!debian) return;
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
        const drives = [{ source: disk() }];
        const { guest, made, vm, log } = await boot(debian, { virtio, drives, clock: 'host' });
        await guest.prompt();
        expect(await guest.command('mount -t ext4 /dev/vda /mnt && echo here > /mnt/a; cat /mnt/a')).toMatch(
          /^here$/m,
        );
        const gateway = /default via (\S+)/.exec(await guest.command('ip route'))?.[1];
        expect(await guest.command(`wget -q -O - http://${gateway}:${port}/ | wc -c`)).toBe(`${1 << 18}\n`);
        expect(await guest.command('grep -c ITS-PCI-MSIX /proc/interrupts')).toMatch(/^[4-9]\n$/);
        expect(await guest.command('dmesg')).toMatch(
          /Memory encryption is active and system is using DMA bounce/,
        );
        await guest.command('modprobe arm_cca_guest');
        const report = verifyToken(await tokenOf(guest), developmentCpak());
        expect(report.verified).toBe(true);
        expect(report.realm?.['initial-measurement']).toBe(made.stats().protection?.initialMeasurement);
        expect(log).toEqual([]);
        await made.pause();
        expect(audit(vm.memory.ledger)).toEqual([]);
        backend.dispose();
      } finally {
        server.close();
        passt.kill();
      }
    },
  );
});

describe.skipIf(!older)('a kernel without CCA support', () => {
  it('ends with a sentence that says what it lacks', { timeout: LIMIT }, async () => {
    if (!older) return;
    const { guest } = await boot(older, {});
    const { status, message } = await guest.ended();
    expect(status).toBe(3);
    expect(message).toMatch(
      /used the device at 0x9000000 .* never called the Realm Services Interface.*Linux 6\.13/,
    );
  });
});

if (timed) {
  describe('a boot', () => {
    it('costs at most half as much again as the same boot unprotected', { timeout: LIMIT }, async () => {
      const seconds = { none: [] as number[], realm: [] as number[] };
      const modes = ['none', 'realm'] as const;
      for (let turn = 0; turn < 3 * modes.length; turn++) {
        const protect = modes[turn % modes.length];
        const before = process.cpuUsage();
        const made = await Machine.create({ ...timed, memory: MEMORY, protect });
        const ready = made.console.reader().until('~ # ');
        const ended = made.run();
        await ready;
        const { user, system } = process.cpuUsage(before);
        seconds[protect].push((user + system) / 1e6);
        made.dispose();
        await ended;
      }
      const median = (of: number[]): number => of.sort((a, b) => a - b)[1];
      const [plain, realm] = modes.map((mode) => median(seconds[mode]));
      const shown = `${plain.toFixed(2)} s unprotected, ${realm.toFixed(2)} s as a realm`;
      process.stderr.write(`boot to a shell: ${shown}, ratio ${(realm / plain).toFixed(2)}\n`);
      expect(realm / plain, shown).toBeLessThanOrEqual(1.5);
    });
  });
}
