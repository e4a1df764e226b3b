// The options of `run`, declared once and read into values; everything that can be wrong with them is found here,
// before anything starts.

import type { Command } from 'commander';
import { usageError } from './exit-status.ts';
import {
  cpuFeatures,
  type DriveOption,
  driveOption,
  type Endpoint,
  endpointOption,
  memorySize,
  oneOf,
  wholeNumber,
} from './values.ts';

export interface RunFlags {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly memory: string;
  readonly smp: string;
  readonly cpu: readonly string[];
  readonly protect: string;
  readonly bouncePool?: string;
  readonly gic: string;
  readonly drive: readonly string[];
  readonly net: string;
  readonly serial: string;
  readonly gdb?: string;
  readonly qmp?: string;
  readonly incoming?: string;
  readonly paused?: boolean;
  readonly reboot: boolean;
  readonly clock: string;
  readonly engine: string;
  readonly timeout?: string;
  readonly stats?: string;
  readonly profile?: string;
}

export interface RunSettings {
  readonly memory: string;
  readonly smp: number;
  readonly cpu: Readonly<Record<string, boolean>>;
  readonly protect: 'none' | 'pkvm' | 'realm' | 'deferred';
  readonly bouncePool: string | undefined;
  readonly gic: 2 | 3;
  readonly drives: readonly DriveOption[];
  /** The path of a stream socket, or undefined for no network. */
  readonly netSocket: string | undefined;
  readonly serial: string;
  readonly gdb: Endpoint | undefined;
  readonly qmp: Endpoint | undefined;
  readonly incoming: string | undefined;
  readonly paused: boolean;
  readonly onReset: 'restart' | 'exit';
  readonly clock: 'virtual' | 'host';
  readonly engine: 'auto' | 'interpreter' | 'jit';
  readonly timeoutSeconds: number | undefined;
  readonly stats: string | undefined;
  readonly profile: string | undefined;
}

const MAX_VCPUS = 8;
/** setTimeout() counts milliseconds in 31 bits. */
const LONGEST_TIMEOUT = 2_000_000;

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

export function defineRunOptions(command: Command): void {
  command
    .option('--kernel <file>', 'an arm64 Image, plain or gzipped, or an ELF file')
    .option('--initrd <file>', 'the initial RAM disk')
    .option('--append <text>', "the kernel's command line")
    .option('--memory <size>', 'guest RAM: 512M, 1G, or a plain number of MiB', '1G')
    .option('--smp <n>', `virtual CPUs, 1 to ${MAX_VCPUS}`, '1')
    .option('--cpu <features>', 'CPU features: mte=on,pauth=off,...', collect, [])
    .option('--protect <mode>', 'none, pkvm, realm or deferred', 'none')
    .option(
      '--bounce-pool <size>',
      'with --protect pkvm or realm: the pool for DMA (default: an eighth of RAM, at most 64M)',
    )
    .option('--gic <version>', 'interrupt controller: 2 or 3', '3')
    .option('--drive <file[,ro]>', 'a raw disk image, once per disk', collect, [])
    .option(
      '--net <stream:SOCKET|none>',
      'a network card on a QEMU stream socket, such as passt offers',
      'none',
    )
    .option('--serial <stdio|none|FILE>', "where the guest's serial port goes", 'stdio')
    .option('--gdb <port|unix:PATH>', 'wait for a debugger there')
    .option('--qmp <port|unix:PATH>', 'a QMP monitor')
    .option('--incoming <uri>', 'receive a machine instead of booting one')
    .option('--paused', 'do not start until told to (QEMU: -S)')
    .option('--no-reboot', 'leave when the guest resets itself')
    .option('--clock <virtual|host>', 'guest time from executed instructions, or real time', 'host')
    .option('--engine <auto|interpreter|jit>', 'how guest code is executed', 'auto')
    .option('--timeout <seconds>', 'give up after so long, with status 124')
    .option('--stats <file>', 'write counters as JSON at the end')
    .option('--profile <file>', 'write at the end which compiled guest code ran most');
}

export function readRunSettings(flags: RunFlags): RunSettings {
  return {
    memory: memorySize(flags.memory),
    smp: wholeNumber('--smp', flags.smp, 1, MAX_VCPUS),
    cpu: cpuFeatures(flags.cpu.join(',')),
    protect: oneOf('--protect', flags.protect, ['none', 'pkvm', 'realm', 'deferred']),
    bouncePool: flags.bouncePool,
    gic: oneOf('--gic', flags.gic, ['2', '3']) === '2' ? 2 : 3,
    drives: flags.drive.map(driveOption),
    netSocket: netSocket(flags.net),
    serial: flags.serial,
    gdb: flags.gdb === undefined ? undefined : endpointOption('--gdb', flags.gdb),
    qmp: flags.qmp === undefined ? undefined : endpointOption('--qmp', flags.qmp),
    incoming: flags.incoming,
    paused: flags.paused ?? false,
    onReset: flags.reboot ? 'restart' : 'exit',
    clock: oneOf('--clock', flags.clock, ['virtual', 'host']),
    engine: oneOf('--engine', flags.engine, ['auto', 'interpreter', 'jit']),
    timeoutSeconds: flags.timeout === undefined ? undefined : timeout(flags.timeout),
    stats: flags.stats,
    profile: flags.profile,
  };
}

function netSocket(text: string): string | undefined {
  if (text === 'none') return undefined;
  const path = /^stream:(.+)$/.exec(text)?.[1];
  if (!path) throw usageError(`--net ${text}: write --net stream:SOCKET or --net none`);
  return path;
}

function timeout(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds > 0 && seconds <= LONGEST_TIMEOUT)) {
    throw usageError(`--timeout ${text}: not a number of seconds up to ${LONGEST_TIMEOUT}`);
  }
  return seconds;
}
