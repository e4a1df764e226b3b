// Turns the spellings that QEMU users' fingers know (-kernel, -m 1G, -drive file=...) into this program's own, before
// the command line is parsed. An option of QEMU's that has no counterpart here is refused with the reason.

import { usageError } from './exit-status.ts';

type Rewrite = (value: string) => readonly string[];

/** Options with a value, by QEMU's name. */
const WITH_VALUE: Readonly<Record<string, Rewrite>> = {
  kernel: (value) => ['--kernel', value],
  initrd: (value) => ['--initrd', value],
  append: (value) => ['--append', value],
  m: (value) => ['--memory', memory(value)],
  smp: (value) => ['--smp', smp(value)],
  drive: (value) => ['--drive', drive(value)],
  gdb: (value) => ['--gdb', endpoint('-gdb', value)],
  qmp: (value) => ['--qmp', endpoint('-qmp', value)],
  incoming: (value) => ['--incoming', value],
  serial: (value) => ['--serial', serial(value)],
  M: machine,
  machine: machine,
  cpu: cpu,
  accel: (value) =>
    /^tcg\b/.test(value) ? [] : refuse(`-accel ${value}`, 'there is only emulation; leave it out'),
  display: (value) =>
    value === 'none' ? [] : refuse(`-display ${value}`, 'there is no display; leave it out'),
  monitor: (value) => (value === 'none' ? [] : refuse(`-monitor ${value}`, 'use --qmp PORT')),
  netdev: (value) => refuse(`-netdev ${value}`, 'use --net stream:SOCKET'),
  device: (value) =>
    refuse(`-device ${value}`, 'the board is fixed; disks come with --drive, a network with --net'),
  bios: (value) => refuse(`-bios ${value}`, 'there is no firmware; give a kernel with --kernel FILE'),
};

const WITHOUT_VALUE: Readonly<Record<string, readonly string[]>> = {
  nographic: ['--serial', 'stdio'],
  S: ['--paused'],
  s: ['--gdb', '1234'],
  'no-reboot': ['--no-reboot'],
  nodefaults: [],
};

/** `args` after the command's name. Words that are not QEMU's pass through. */
export function translateQemuSpelling(args: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i];
    if (word === '--') return [...out, ...args.slice(i)];
    const name = /^-([A-Za-z][\w-]*)$/.exec(word)?.[1] ?? '';
    if (Object.hasOwn(WITHOUT_VALUE, name)) out.push(...WITHOUT_VALUE[name]);
    else if (Object.hasOwn(WITH_VALUE, name)) {
      const value = args[++i];
      if (value === undefined) throw usageError(`${word} needs a value`);
      out.push(...WITH_VALUE[name](value));
    } else {
      out.push(word);
      // The value of one of our own options is not an option, whatever it looks like: --append '-m'.
      if (/^--[^=]+$/.test(word) && TAKES_VALUE.has(word) && i + 1 < args.length) out.push(args[++i]);
    }
  }
  return out;
}

const TAKES_VALUE = new Set([
  ...[
    '--kernel',
    '--initrd',
    '--append',
    '--memory',
    '--smp',
    '--cpu',
    '--protect',
    '--gic',
    '--drive',
    '--net',
  ],
  ...['--serial', '--gdb', '--qmp', '--incoming', '--clock', '--engine', '--timeout', '--stats'],
]);

function refuse(what: string, advice: string): never {
  throw usageError(`${what}: not supported; ${advice}`);
}

/** `key=value` pairs separated by commas (a doubled comma stands for one); the first may lack its key. */
function properties(text: string, firstKey: string): Map<string, string> {
  const parts = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','));
  return new Map(
    parts.map((part, index): [string, string] => {
      const equals = part.indexOf('=');
      if (equals >= 0) return [part.slice(0, equals), part.slice(equals + 1)];
      return index === 0 ? [firstKey, part] : [part, 'on'];
    }),
  );
}

function memory(value: string): string {
  return properties(value, 'size').get('size') ?? value;
}

function smp(value: string): string {
  return properties(value, 'cpus').get('cpus') ?? value;
}

function drive(value: string): string {
  const given = properties(value, 'file');
  const file = given.get('file');
  if (!file) throw usageError(`-drive ${value}: names no file; write -drive file=FILE,format=raw`);
  const format = given.get('format') ?? 'raw';
  if (format !== 'raw')
    refuse(`-drive format=${format}`, `convert it: qemu-img convert -O raw '${file}' disk.raw`);
  const readOnly = ['readonly', 'read-only'].some((key) => given.get(key) === 'on');
  return file + (readOnly ? ',ro' : '');
}

/** QEMU writes tcp:HOST:PORT,server=on,wait=off and unix:PATH,...; here it is PORT and unix:PATH. */
function endpoint(option: string, value: string): string {
  const address = value.split(',', 1)[0];
  if (address.startsWith('unix:')) return address;
  const tcp = /^tcp:(?:localhost|127\.0\.0\.1|\[::1\])?:(\d+)$/.exec(address);
  if (!tcp)
    throw usageError(`${option} ${value}: write tcp::PORT or unix:PATH (only this machine can connect)`);
  return tcp[1];
}

function serial(value: string): string {
  if (value === 'mon:stdio') return 'stdio';
  if (value === 'null') return 'none';
  return value.startsWith('file:') ? value.slice(5) : value;
}

function machine(value: string): readonly string[] {
  const out: string[] = [];
  for (const [key, setting] of properties(value, 'type')) {
    if (key === 'type') {
      if (!/^virt(-\d+\.\d+)?$/.test(setting)) refuse(`-machine ${setting}`, "the only machine is 'virt'");
    } else if (key === 'gic-version')
      out.push('--gic', setting === 'max' || setting === 'host' ? '3' : setting);
    else if (key === 'mte') out.push('--cpu', `mte=${setting}`);
    else if (
      !['highmem', 'accel', 'acpi', 'its', 'usb', 'graphics', 'dumpdtb', 'virtualization', 'secure'].includes(
        key,
      )
    ) {
      refuse(`-machine ${key}=${setting}`, 'leave it out');
    } else if (['virtualization', 'secure'].includes(key) && setting !== 'off') {
      refuse(`-machine ${key}=${setting}`, 'guests run at EL1 and EL0 only');
    }
  }
  return out;
}

/** The model's name says nothing here: there is one CPU. Its properties are kept. */
function cpu(value: string): readonly string[] {
  const features = value.split(',').filter((part, index) => index > 0 || part.includes('='));
  return features.length > 0 ? ['--cpu', features.join(',')] : [];
}
