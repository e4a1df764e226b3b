// The guest that all peers of an architecture boot: a Debian kernel and initramfs as `ringfence pull` makes them, with
// the rows' scripts and programs behind them in a second archive (the kernel unpacks all that it is given). What only
// some rows need is on the disk, so that the boot does not pay for it.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Architecture,
  type CatalogueEntry,
  type CpioEntry,
  findImage,
  ImageError,
  PC_IMAGE,
  pullImage,
  writeCpio,
} from '../src/images/index.ts';
import { type DebianOptions, type PcFirmware, pcFirmware, pythonArchive } from './debian.ts';
import { DISK_MIB, ROWS, type WorkRow } from './rows.ts';

export interface BenchGuest {
  readonly description: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** A raw image; each session writes to a copy. */
  readonly disk: string;
  /** A PC's. */
  readonly firmware: PcFirmware | undefined;
  /** Why a row cannot run here, by its name. */
  readonly missing: ReadonlyMap<string, string>;
}

interface Recipe {
  readonly image: CatalogueEntry;
  readonly append: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  /** The disk's device file. */
  readonly disk: string;
}

const RECIPES: Readonly<Record<Architecture, Recipe>> = {
  arm64: {
    image: findImage('debian-13'),
    append: 'console=ttyAMA0',
    compiler: 'aarch64-linux-gnu-gcc',
    flags: [],
    disk: '/dev/vda',
  },
  i386: {
    image: PC_IMAGE,
    append: 'console=ttyS0',
    compiler: 'i686-linux-gnu-gcc',
    flags: ['-march=i686', '-msse2', '-mfpmath=sse'],
    disk: '/dev/sda',
  },
};

/** What process 1 does before the initramfs's own /init. */
const FIRST = '#!/bin/busybox sh\n/bin/busybox echo BENCH-INIT\nexec /init\n';

/** Throws ImageError where the guest cannot be fetched. */
export async function makeGuest(architecture: Architecture, options: DebianOptions): Promise<BenchGuest> {
  const recipe = RECIPES[architecture];
  const { work, sourcesFile } = options;
  mkdirSync(work, { recursive: true });
  const image = await pullImage(recipe.image, { sourcesFile });
  const missing = new Map<string, string>();
  const miss = (why: string, rows: (row: WorkRow) => boolean): void => {
    for (const row of workRows().filter(rows)) missing.set(row.name, why);
  };

  const program = compile(recipe, join(work, `program.${architecture}`));
  if (!program) miss(`${recipe.compiler} is not installed`, (row) => typeof row.run !== 'string');
  const python = await pythonArchive(architecture, options).catch((error: unknown) => {
    if (!(error instanceof ImageError)) throw error;
    miss(error.message, (row) => row.needs === 'python');
  });

  const initrd = join(work, `initrd.${architecture}`);
  writeFileSync(initrd, Buffer.concat([readFileSync(image.initrd), scriptArchive(recipe, program)]));
  const disk = join(work, `disk.${architecture}`);
  writeFileSync(disk, Buffer.concat([noise(DISK_MIB << 20), python ?? Buffer.alloc(0)]));
  return {
    description: `${image.description} (${image.release})`,
    kernel: image.kernel,
    initrd,
    append: `${recipe.append} rdinit=/bench/init`,
    disk,
    firmware: architecture === 'i386' ? await pcFirmware(options) : undefined,
    missing,
  };
}

const workRows = (): WorkRow[] => ROWS.filter((row): row is WorkRow => row.kind === 'work');

function scriptArchive(recipe: Recipe, program: Uint8Array | undefined): Uint8Array {
  return writeCpio([
    { kind: 'directory', path: 'bench' },
    { kind: 'file', path: 'bench/init', data: FIRST, mode: 0o755 },
    ...(program ? [{ kind: 'file', path: 'bench/program', data: program, mode: 0o755 } as const] : []),
    ...workRows().map(
      (row): CpioEntry => ({ kind: 'file', path: `bench/${row.name}`, data: scriptOf(row, recipe) }),
    ),
  ]);
}

function scriptOf(row: WorkRow, recipe: Recipe): string {
  const lines = [`DISK=${recipe.disk}`, row.prepare ?? ''];
  if (typeof row.run === 'string')
    lines.push('echo BENCH-BEGIN', `value=$(${row.run})`, 'echo BENCH-END $value');
  else lines.push(`exec /bench/program ${row.run.program} ${row.run.amount}`);
  return `${lines.filter(Boolean).join('\n')}\n`;
}

/** The program's bytes, or undefined where there is no compiler for it. */
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
function noise(bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
  return new Uint8Array(words.buffer);
}
