// The emulators of the comparison: how each is started with its guest's console on stdin and stdout.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../src/images/index.ts';
import type { PcFirmware } from './debian.ts';
import type { Targets } from './rows.ts';

export type Engine = 'auto' | 'interpreter' | 'jit';

export interface PeerGuest {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** A raw image, the guest's to write. */
  readonly disk: string;
  readonly firmware: PcFirmware | undefined;
  readonly smp: number;
  readonly engine?: Engine;
  /** The path of a QMP socket to serve, where the peer has counters. */
  readonly monitor: string | undefined;
}

export interface Peer {
  readonly name: string;
  /** The head of its column. */
  readonly title: string;
  readonly architecture: Architecture;
  readonly largestSmp: number;
  readonly hasCounters: boolean;
  /** Which of a row's targets holds against it. */
  readonly target?: keyof Targets;
  /** How to get it. */
  readonly install: string;
  /** What a reader must know of its column. */
  readonly remark?: string;
  /** One line for the page; undefined where it is not installed. */
  version(): string | undefined;
  /** A program and its arguments. */
  command(guest: PeerGuest): readonly string[];
}

const MEBIBYTES = '1024';

const ringfence: Peer = {
  name: 'ringfence',
  title: 'Ringfence',
  architecture: 'arm64',
  largestSmp: 8,
  hasCounters: true,
  install: 'npm run build',
  version: () => `Node.js ${output('node', '--version').trim().replace('v', '')}`,
  command: (guest) => [
    ...[join(process.cwd(), 'ringfence'), 'run'],
    ...['--kernel', guest.kernel, '--initrd', guest.initrd, '--append', guest.append],
    ...['--memory', MEBIBYTES, '--smp', `${guest.smp}`, '--drive', guest.disk],
    ...(guest.engine ? ['--engine', guest.engine] : []),
    ...(guest.monitor === undefined ? [] : ['--qmp', `unix:${guest.monitor}`]),
  ],
};

const QEMU = 'qemu-system-aarch64';

function qemu(name: string, title: string, cpu: string, target?: keyof Targets): Peer {
  return {
    name,
    title,
    architecture: 'arm64',
    largestSmp: 8,
    hasCounters: false,
    ...(target && { target }),
    install: 'apt install qemu-system-arm',
    version: () => /^QEMU emulator version .*/.exec(output(QEMU, '--version'))?.[0],
    command: (guest) => [
      ...[QEMU, '-M', 'virt,gic-version=3', '-accel', 'tcg', '-cpu', cpu],
      ...['-m', MEBIBYTES, '-smp', `${guest.smp}`, '-display', 'none', '-nodefaults', '-serial', 'stdio'],
      ...['-kernel', guest.kernel, '-initrd', guest.initrd, '-append', guest.append],
      ...['-drive', `if=none,id=disk,format=raw,file=${guest.disk}`, '-device', 'virtio-blk-pci,drive=disk'],
    ],
  };
}

const v86: Peer = {
  name: 'v86',
  title: 'v86',
  architecture: 'i386',
  largestSmp: 1,
  hasCounters: false,
  target: 'v86',
  install: 'npm ci',
  remark: 'an emulator of PCs: its guest is an i386 one, and its disk is an IDE disk, read from memory',
  version: () => {
    try {
      const about: unknown = JSON.parse(readFileSync('node_modules/v86/package.json', 'utf8'));
      return `v86 ${(about as { version: string }).version}, Node.js ${process.versions.node}`;
    } catch {
      return undefined;
    }
  },
  command: (guest) => [
    ...[process.execPath, join(process.cwd(), 'bench/v86.js')],
    ...[guest.kernel, guest.initrd, guest.append, guest.disk],
    ...[guest.firmware?.bios ?? '', guest.firmware?.vgaBios ?? '', MEBIBYTES],
  ],
};

const output = (program: string, argument: string): string =>
  spawnSync(program, [argument], { encoding: 'utf8' }).stdout ?? '';

/** Ringfence first: the ratios are its time over each other's. */
export const PEERS: readonly Peer[] = [
  ringfence,
  qemu('qemu', 'QEMU cortex-a72', 'cortex-a72', 'qemu'),
  qemu('qemu-max', 'QEMU max', 'max,pauth-impdef=on'),
  v86,
];
