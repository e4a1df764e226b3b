// Programs for guests: C of this folder, compiled for arm64, in an initramfs behind the one that a guest has.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CpioEntry, writeCpio } from '../../src/images/index.ts';

const COMPILER = 'aarch64-linux-gnu-gcc';
/** Where boot tests write. Tests, and programs bundled elsewhere, run from the project's root. */
export const scratchFolder = (): string => {
  const folder = 'build/boot';
  mkdirSync(folder, { recursive: true });
  return folder;
};

export const canCompile = (): boolean => spawnSync(COMPILER, ['--version']).status === 0;

/** A program of this folder, by its source, for the root of a guest's file system. */
export function program(name: string): CpioEntry {
  const file = join(scratchFolder(), `${name}.${process.pid}`);
  const flags = ['-O1', '-static', '-march=armv8.5-a+memtag'];
  execFileSync(COMPILER, [...flags, '-o', file, `test/boot/${name}.c`]);
  const data = readFileSync(file);
  rmSync(file);
  return { kind: 'file', path: name, mode: 0o755, data };
}

/** A shell script for the root of a guest's file system. */
export const script = (name: string, text: string): CpioEntry => ({
  kind: 'file',
  path: name,
  mode: 0o755,
  data: `#!/bin/sh\n${text}\n`,
});

/** An initramfs with more in it: archives may follow each other. */
export const withFiles = (initrd: string, ...entries: readonly CpioEntry[]): Uint8Array =>
  Buffer.concat([readFileSync(initrd), writeCpio(entries)]);
