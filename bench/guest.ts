// The guest that all peers of an architecture boot: a Debian kernel and initramfs as `ringfence pull` makes them, with
// the rows' scripts and programs behind them in a second archive (the kernel unpacks all that it is given).

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CpioEntry, pullImage, writeCpio } from '../src/images/index.ts';
import type { Architecture } from './peers.ts';
import { DISK_BYTES, ROWS, type WorkRow } from './rows.ts';

export interface BenchGuest {
  readonly description: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** A raw image; each session writes to a copy. */
  readonly disk: string;
  /** Why a row cannot run here, by its name. */
  readonly missing: ReadonlyMap<string, string>;
}

interface Recipe {
  readonly image: string;
  readonly append: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  /** The disk's device file. */
  readonly disk: string;
}

const RECIPES: Readonly<Record<Architecture, Recipe>> = {
  arm64: {
    image: 'debian-13',
    append: 'console=ttyAMA0',
    compiler: 'aarch64-linux-gnu-gcc',
    flags: [],
    disk: '/dev/vda',
  },
};

/** What process 1 does before the initramfs's own /init. */
const FIRST = '#!/bin/busybox sh\n/bin/busybox echo BENCH-INIT\nexec /init\n';

export async function makeGuest(architecture: Architecture, folder: string): Promise<BenchGuest> {
  const recipe = RECIPES[architecture];
  mkdirSync(folder, { recursive: true });
  const image = await pullImage(recipe.image);
  const missing = new Map<string, string>();
  const program = compile(recipe, join(folder, `program.${architecture}`));
  if (program === undefined) {
    for (const row of workRows())
      if (typeof row.run !== 'string') missing.set(row.name, `${recipe.compiler} is not installed`);
  }
  const entries: CpioEntry[] = [
    { kind: 'directory', path: 'bench' },
    { kind: 'file', path: 'bench/init', data: FIRST, mode: 0o755 },
    ...(program ? [{ kind: 'file', path: 'bench/program', data: program, mode: 0o755 } as const] : []),
    ...workRows().map(
      (row): CpioEntry => ({ kind: 'file', path: `bench/${row.name}`, data: scriptOf(row, recipe) }),
    ),
  ];
  const initrd = join(folder, `initrd.${architecture}`);
  writeFileSync(initrd, Buffer.concat([readFileSync(image.initrd), writeCpio(entries)]));
  return {
    description: `${image.description} (${image.release})`,
    kernel: image.kernel,
    initrd,
    append: `${recipe.append} rdinit=/bench/init`,
    disk: makeDisk(join(folder, 'disk')),
    missing,
  };
}

const workRows = (): WorkRow[] => ROWS.filter((row): row is WorkRow => row.kind === 'work');

function scriptOf(row: WorkRow, recipe: Recipe): string {
  const lines = [`DISK=${recipe.disk}`, row.prepare ?? ''];
  if (typeof row.run === 'string')
    lines.push('echo BENCH-BEGIN', `value=$(${row.run})`, 'echo BENCH-END $value');
  else lines.push(`exec /bench/program ${row.run.program} ${row.run.amount}`);
  return `${lines.filter(Boolean).join('\n')}\n`;
}

function compile(recipe: Recipe, out: string): Uint8Array | undefined {
  const args = ['-O2', '-static', ...recipe.flags, '-o', out, 'bench/guest/program.c', '-lm'];
  try {
    execFileSync(recipe.compiler, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return readFileSync(out);
}

/** Not zeros and not holes, which a host may give back without reading anything. */
function makeDisk(file: string): string {
  const words = new Uint32Array(DISK_BYTES / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
  writeFileSync(file, words);
  return file;
}
