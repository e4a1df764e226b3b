// All boot tests in lockstep: runs them on the interpreter and on the JIT, with the machines of both runs traced, and
// compares the traces. With the virtual clock a test does the same on both, instruction for instruction.
//
//   npm run lockstep:boot -- [--subject jit|eager-jit] [arguments for vitest, default test/boot]
//
// Names the test, the machine and the interval of the first difference of each machine, and for the first of them runs
// the test once more on both engines, for all registers after it. Traces stay in build/lockstep. Exit status: 0 where all
// tests pass on both engines and all traces are equal, 1 where not, 2 for unusable options.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { differencesOf } from '../../src/lab/lockstep/index.ts';
import { type Compared, compareTraces, differentInputs, type TraceDifference } from './compare-traces.ts';
import { captureFrom, type TraceHeader } from './trace.ts';

/** Tests of which nothing can be compared, and why. */
const EXCLUDED: Readonly<Record<string, string>> = {
  'test/boot/chromium.test.ts': "compares with a browser's machines, which nobody traces",
  'test/boot/embedded-image.test.ts': 'runs no guest',
  'test/boot/jit-lockstep.test.ts': 'is in lockstep by itself',
  'test/boot/mte-gdb.test.ts': 'GDB stops the guest wherever it then is',
  'test/boot/network.test.ts': "packets come when the host has them, and the clock is the host's",
  'test/boot/terminal.test.ts': 'runs the program in a process of its own, and types when the host does',
};

const FOLDER = 'build/lockstep';
const REFERENCE = 'interpreter';

interface TestRun {
  readonly passed: boolean;
  /** Tests by file and name, each with its status. */
  readonly tests: ReadonlyMap<string, string>;
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

/** As the tests themselves know their names (engine.ts). */
const nameOf = (file: string, test: string): string => `${file} > ${test}`;

function runTests(engine: string, args: readonly string[]): TestRun {
  const report = join(FOLDER, `${engine}.json`);
  console.log(`\nboot tests, ${engine}`);
  const { status } = spawnSync(
    'node_modules/.bin/vitest',
    [
      ...['run', ...args, ...Object.keys(EXCLUDED).flatMap((file) => ['--exclude', file])],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, RINGFENCE_ENGINE: engine, RINGFENCE_TRACE: join(FOLDER, engine) },
    },
  );
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
  const tests = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ ancestorTitles, title, status }): [string, string] => [
      nameOf(relative(process.cwd(), name), [...ancestorTitles, title].join(' > ')),
      status,
    ]),
  );
  return { passed: status === 0, tests: new Map(tests) };
}

interface MachineTraces {
  readonly key: string;
  readonly header: TraceHeader;
  readonly compared: Compared;
}

const read = (engine: string, key: string): Buffer => readFileSync(join(FOLDER, engine, key));
const headerOf = (trace: Buffer): TraceHeader =>
  JSON.parse(trace.toString('utf8', 0, trace.indexOf(10))) as TraceHeader;
const machineName = ({ file, test, machine }: TraceHeader): string =>
  `${nameOf(file, test)}${machine > 1 ? `, machine ${machine}` : ''}`;

/** All machines of both runs by what became of their comparison; what is not as it should be is told. */
function compareAll(subject: string): { machines: MachineTraces[]; untraced: TraceHeader[]; bad: string[] } {
  const keys = (engine: string): string[] =>
    readdirSync(join(FOLDER, engine)).filter((name) => name.endsWith('.trace'));
  const machines: MachineTraces[] = [];
  const untraced: TraceHeader[] = [];
  const bad: string[] = [];
  const [first, second] = [new Set(keys(REFERENCE)), new Set(keys(subject))];
  for (const key of new Set([...first, ...second])) {
    if (!first.has(key) || !second.has(key)) {
      const [engine, other] = first.has(key) ? [REFERENCE, subject] : [subject, REFERENCE];
      bad.push(`${machineName(headerOf(read(engine, key)))}: made on ${engine}, and not on ${other}`);
      continue;
    }
    const [a, b] = [read(REFERENCE, key), read(subject, key)];
    const header = headerOf(a);
    const inputs = differentInputs(header, headerOf(b));
    if (inputs.length > 0) bad.push(`${machineName(header)}: not given the same: ${inputs.join(', ')}`);
    else if (header.untraced !== undefined) untraced.push(header);
    else machines.push({ key, header, compared: compareTraces(a, b) });
  }
  return { machines, untraced, bad };
}

const REGISTERS = /^(\d+) (\d+) (\w+) \w+$/;

function tell(subject: string, { header, compared }: MachineTraces, difference: TraceDifference): void {
  console.log(`\nDIFFERENCE: ${machineName(header)}`);
  const [, vcpu, instructions] = REGISTERS.exec(difference.reference) ?? [];
  const where =
    instructions === undefined
      ? `after ${compared.instructions} instructions`
      : `vCPU ${vcpu}, between its instructions ${difference.sameUntil} and ${instructions}`;
  console.log(`  ${where}`);
  for (const [engine, line] of [
    [REFERENCE, difference.reference],
    [subject, difference.subject],
  ] as const) {
    const [, index, count, pc] = REGISTERS.exec(line) ?? [];
    console.log(
      `  ${engine}: ${pc === undefined ? line : `vCPU ${index} after ${count} instructions, pc 0x${pc}`}`,
    );
  }
}

/** Runs a test once more on both engines: the registers that differ at a line. */
function showRegisters(subject: string, { key, header }: MachineTraces, { line }: TraceDifference): void {
  const pattern = header.test.replaceAll(' > ', ' ').replace(/[$()*+.?[\\\]^{|}/]/g, '\\$&');
  const [a, b] = [REFERENCE, subject].map((engine) => {
    const traces = join(FOLDER, `again-${engine}`);
    spawnSync('node_modules/.bin/vitest', ['run', header.file, '-t', `^${pattern}$`], {
      stdio: 'ignore',
      env: {
        ...process.env,
        ...{ RINGFENCE_ENGINE: engine, RINGFENCE_TRACE: traces, RINGFENCE_TRACE_SHOW: String(line) },
      },
    });
    return captureFrom(readFileSync(join(traces, `${key}.registers`), 'utf8'));
  });
  const hex = (value: bigint | undefined): string => (value === undefined ? '-' : `0x${value.toString(16)}`);
  console.log(`  registers there:\n${`    ${REFERENCE.padStart(32)} ${subject.padStart(19)}`}`);
  for (const { name, reference, subject: other } of differencesOf(a!, b!))
    console.log(`    ${name.padEnd(12)} ${hex(reference).padStart(19)} ${hex(other).padStart(19)}`);
}

function main(args: readonly string[]): number {
  const at = args.indexOf('--subject');
  const subject = at < 0 ? 'jit' : (args[at + 1] ?? '');
  if (subject !== 'jit' && subject !== 'eager-jit') {
    console.error(`--subject ${subject}: jit or eager-jit`);
    return 2;
  }
  const given = at < 0 ? args : args.toSpliced(at, 2);
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const tests = given.length > 0 ? given : ['test/boot'];
  const runs = [REFERENCE, subject].map((engine) => runTests(engine, tests));
  const { machines, untraced, bad } = compareAll(subject);
  const seen = new Set(
    [...machines.map(({ header }) => header), ...untraced].map((h) => nameOf(h.file, h.test)),
  );
  for (const [name, status] of runs[0]!.tests) {
    const other = runs[1]!.tests.get(name);
    if (status !== other) bad.push(`${name}: ${status} on ${REFERENCE}, ${other ?? 'absent'} on ${subject}`);
    else if (status === 'failed') bad.push(`${name}: failed on both`);
    else if (status === 'passed' && !seen.has(name)) bad.push(`${name}: made no machine`);
  }
  if (bad.length === 0 && !runs.every(({ passed }) => passed)) bad.push('vitest failed');

  const differing = machines.filter(({ compared }) => compared.difference);
  differing.forEach((machine, n) => {
    const difference = machine.compared.difference!;
    tell(subject, machine, difference);
    if (n === 0 && REGISTERS.test(difference.reference) && REGISTERS.test(difference.subject))
      showRegisters(subject, machine, difference);
  });
  console.log('');
  for (const line of bad) console.log(`NOT AS IT SHOULD BE: ${line}`);
  for (const header of untraced) console.log(`not compared: ${machineName(header)}: ${header.untraced}`);
  for (const [file, why] of Object.entries(EXCLUDED)) console.log(`not compared: ${file}: ${why}`);
  const sum = (of: (compared: Compared) => number): number =>
    machines.reduce((all, { compared }) => all + of(compared), 0);
  console.log(
    `${machines.length} machines of ${new Set(machines.map(({ header }) => header.test)).size} tests on ${REFERENCE} and ${subject}: ` +
      `${Math.round(sum((c) => c.instructions) / 1e6)} million instructions, registers compared ` +
      `${sum((c) => c.registers)} times and memory ${sum((c) => c.memory)} times; ` +
      `${differing.length === 0 ? 'no difference' : `${differing.length} differ`}`,
  );
  return differing.length === 0 && bad.length === 0 && machines.length > 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
