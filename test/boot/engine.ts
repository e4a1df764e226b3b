// Set up before the tests of a file where RINGFENCE_ENGINE or RINGFENCE_TRACE is set, for every machine that they make:
//
//   RINGFENCE_ENGINE=interpreter|jit|eager-jit   on which engine it runs, unless its test chooses one
//   RINGFENCE_TRACE=FOLDER                       what it does is traced into files of the folder (trace.ts); a disk has
//                                                what it had when another run with the folder FOLDER/../disks was traced
//   RINGFENCE_TRACE_SHOW=LINE                    all registers at that line of a trace are written out

import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, expect } from 'vitest';
import { eagerJit } from '../../src/lab/lockstep/index.ts';
import { type FileSource, Machine, type MachineOptions, prepareVm } from '../../src/vmm/index.ts';
import { Trace, type TraceHeader } from './trace.ts';

const ENGINES: Readonly<Record<string, MachineOptions['engine']>> = {
  auto: 'auto',
  interpreter: 'interpreter',
  jit: 'jit',
  'eager-jit': eagerJit,
};

const { RINGFENCE_ENGINE: name = 'auto', RINGFENCE_TRACE: folder, RINGFENCE_TRACE_SHOW: shown } = process.env;
const engine = ENGINES[name];
if (engine === undefined)
  throw new Error(`RINGFENCE_ENGINE=${name}: not one of ${Object.keys(ENGINES).join(', ')}`);

const create = Machine.create.bind(Machine);
const open = new Set<Trace>();
/** How many machines each test has made. */
const made = new Map<string, number>();

// Hooks end in reverse order, so that this one comes after those in which tests let go of their machines.
afterEach(() => {
  for (const trace of open) trace.close();
  open.clear();
});

Machine.create = async (options, prepare = prepareVm) => {
  const chosen = options.engine ?? 'auto';
  const set = chosen === 'auto' ? { ...options, engine } : options;
  if (folder === undefined) return create(set, prepare);
  const trace = startTrace(folder, set, chosen !== 'auto');
  if (!trace) return create(set, prepare);
  open.add(trace);
  const machine = await create(set, (config) => {
    const prepared = prepare(config);
    return { ...prepared, vcpus: trace.follow(prepared) };
  });
  trace.expectEnd(machine);
  return machine;
};

/** Undefined where the machine cannot do the same twice, which is noted in place of a trace. */
function startTrace(traces: string, options: MachineOptions, chosen: boolean): Trace | undefined {
  const { currentTestName: test = '', testPath = '' } = expect.getState();
  const file = relative(process.cwd(), testPath);
  const machine = (made.get(test) ?? 0) + 1;
  made.set(test, machine);
  const key = `${digest(`${file} ${test}`)}-${machine}`;
  let untraced: string | undefined;
  // A test's own JIT is as good as another, and is held to the interpreter.
  if (typeof options.engine === 'string' && chosen) untraced = 'its test chooses the engine';
  if (options.clock === 'host') untraced = "its clock is the host's";
  const inputs = untraced === undefined ? inputsOf(options, join(traces, '..', 'disks', key)) : {};
  mkdirSync(traces, { recursive: true });
  const header: TraceHeader = { file, test, machine, untraced, inputs };
  const trace = new Trace(
    join(traces, `${key}.trace`),
    header,
    shown === undefined ? undefined : Number(shown),
  );
  return untraced === undefined ? trace : undefined;
}

const digest = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, 16);
const digestOfFile = (source: FileSource | undefined): string | undefined =>
  source === undefined ? undefined : digest(typeof source === 'string' ? readFileSync(source) : source);

function inputsOf(options: MachineOptions, disks: string): TraceHeader['inputs'] {
  const { append, memory, smp, gic, cpu, protect, bouncePool, epochSeconds, onReset } = options;
  return {
    ...{ append, memory, smp, gic, cpu, protect, bouncePool, epochSeconds, onReset },
    kernel: digestOfFile(options.kernel),
    initrd: digestOfFile(options.initrd),
    drives: (options.drives ?? []).map(({ source }, n) => digest(sameBytes(source, `${disks}.${n}`))),
  };
}

/**
 * Tests make disks of random bytes, and mke2fs gives each file system another name: the disk gets what is in the file
 * `kept`, which is made of the disk where it is not there yet.
 */
function sameBytes(
  source: NonNullable<MachineOptions['drives']>[number]['source'],
  kept: string,
): Uint8Array {
  const known = existsSync(kept);
  mkdirSync(join(kept, '..'), { recursive: true });
  if (typeof source === 'string') {
    if (known) copyFileSync(kept, source);
    else copyFileSync(source, kept);
    return readFileSync(kept);
  }
  if (known) {
    source.write(0, readFileSync(kept));
  } else {
    const bytes = new Uint8Array(source.size);
    source.read(0, bytes);
    writeFileSync(kept, bytes);
  }
  return readFileSync(kept);
}
