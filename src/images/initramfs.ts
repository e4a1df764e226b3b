// Makes an initramfs that gives a shell on the console: busybox, the modules in the order in which they must be loaded,
// and an /init script. Uncompressed on purpose: the guest would spend more instructions on inflating than the host
// saves on reading.

import { type CpioEntry, writeCpio } from './cpio.ts';
import { INIT_SCRIPT, UDHCPC_SCRIPT } from './init-script.ts';
import type { KernelModule } from './modules.ts';

export interface InitramfsOptions {
  /** A static arm64 busybox. */
  readonly busybox: Uint8Array;
  /** Needs first, as `selectModules` gives them. */
  readonly modules?: readonly KernelModule[];
  /** The kernel release (`uname -r`) that the modules are for; needed where there are modules. */
  readonly release?: string;
  /** Which of them /init loads; the rest is loaded on demand (`mount -t ext4`, `modprobe`). Default: all. */
  readonly loadAtBoot?: readonly string[];
  /** More files, after the standard ones; directories that they need must be among them. */
  readonly extra?: readonly CpioEntry[];
}

const FOLDERS = [
  'bin',
  'sbin',
  'dev',
  'proc',
  'sys',
  'tmp',
  'run',
  'root',
  'mnt',
  'etc',
  'lib',
  'lib/modules',
];

export function makeInitramfs(options: InitramfsOptions): Uint8Array {
  const modules = options.modules ?? [];
  const folder = `lib/modules/${options.release ?? 'none'}`;
  const atBoot = options.loadAtBoot ? withNeeds(modules, options.loadAtBoot) : modules;
  const entries: CpioEntry[] = [
    ...[...FOLDERS, folder].map((path): CpioEntry => ({ kind: 'directory', path })),
    // The kernel opens /dev/console for /init before anything is mounted.
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'character-device', path: 'dev/null', major: 1, minor: 3, mode: 0o666 },
    { kind: 'file', path: 'bin/busybox', data: options.busybox, mode: 0o755 },
    { kind: 'symlink', path: 'bin/sh', target: 'busybox' },
    { kind: 'symlink', path: 'sbin/modprobe', target: '../bin/busybox' },
    { kind: 'file', path: 'init', data: INIT_SCRIPT, mode: 0o755 },
    { kind: 'file', path: 'etc/udhcpc.script', data: UDHCPC_SCRIPT, mode: 0o755 },
    { kind: 'file', path: 'etc/passwd', data: 'root:x:0:0:root:/root:/bin/sh\n' },
    { kind: 'file', path: 'etc/group', data: 'root:x:0:\n' },
    { kind: 'file', path: 'etc/modules', data: atBoot.map((m) => `${fileOf(m)}\n`).join('') },
    { kind: 'file', path: `${folder}/modules.dep`, data: modulesDep(modules) },
    { kind: 'file', path: `${folder}/modules.alias`, data: modulesAlias(modules) },
    ...modules.map((m): CpioEntry => ({ kind: 'file', path: `${folder}/${fileOf(m)}`, data: m.data })),
    ...(options.extra ?? []),
  ];
  return writeCpio(entries);
}

const fileOf = (m: KernelModule): string => `${m.info.name}.ko`;

function withNeeds(modules: readonly KernelModule[], names: readonly string[]): KernelModule[] {
  const wanted = new Set(names);
  // Needs stand before their users, so walking backwards sees each user before what it needs.
  for (const m of [...modules].reverse()) {
    if (wanted.has(m.info.name)) for (const need of needsOf(m)) wanted.add(need);
  }
  return modules.filter((m) => wanted.has(m.info.name));
}

const needsOf = (m: KernelModule): string[] => [...m.info.depends, ...m.info.softPre];

/** modules.dep(5): a module, then all that it needs, each before what it needs itself. */
function modulesDep(modules: readonly KernelModule[]): string {
  const lines = modules.map((m) => {
    const needs = withNeeds(modules, [m.info.name]).filter((other) => other !== m);
    return `${fileOf(m)}:${needs
      .reverse()
      .map((need) => ` ${fileOf(need)}`)
      .join('')}\n`;
  });
  return lines.join('');
}

function modulesAlias(modules: readonly KernelModule[]): string {
  return modules.flatMap((m) => m.info.aliases.map((alias) => `alias ${alias} ${m.info.name}\n`)).join('');
}
