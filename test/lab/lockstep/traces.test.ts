// What the boot tests' lockstep command stands on: traces of the same run are equal whatever the engine, and a
// difference is found at its line.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eagerJit } from '../../../src/lab/lockstep/index.ts';
import { Machine, type MachineOptions, prepareVm } from '../../../src/vmm/index.ts';
import { compareTraces, differentInputs } from '../../boot/compare-traces.ts';
import { EMBEDDED } from '../../boot/kernels.ts';
import { captureFrom, Trace, type TraceHeader } from '../../boot/trace.ts';

const header: TraceHeader = { file: 'a.test.ts', test: 'one', machine: 1, inputs: {} };

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-traces-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function traced(name: string, options: Partial<MachineOptions>, shown?: number): Promise<Buffer> {
  const trace = new Trace(join(folder, name), header, shown);
  const machine = await Machine.create(
    { kernel: EMBEDDED, append: 'auto', memory: '32M', smp: 2, ...options },
    (config) => {
      const prepared = prepareVm(config);
      return { ...prepared, vcpus: trace.follow(prepared) };
    },
  );
  trace.expectEnd(machine);
  await machine.run();
  machine.dispose();
  return readFileSync(join(folder, name));
}

describe('the trace of a machine', () => {
  it('is the same on both engines, to its end', async () => {
    const reference = await traced('interpreter', { engine: 'interpreter' });
    const compared = compareTraces(reference, await traced('jit', { engine: eagerJit }));
    expect(compared).toMatchObject({ difference: undefined, memory: 1 });
    expect(compared.instructions).toBeGreaterThan(2e6);
    expect(compared.registers).toBeGreaterThan(200);
    expect(reference.toString()).toMatch(/\nmemory \d+ \w+\nend poweroff 0 the guest powered off\n$/);
  });

  it('tells another run, with all registers where they part', async () => {
    const reference = await traced('a', {});
    const { difference } = compareTraces(reference, await traced('b', { cpu: { mte: false } }));
    expect(difference?.line).toBeGreaterThan(1);
    await traced('a', {}, difference?.line);
    const { vcpu, instructions, registers } = captureFrom(readFileSync(join(folder, 'a.registers'), 'utf8'));
    expect(difference?.reference).toMatch(
      new RegExp(`^${vcpu} ${instructions} ${registers.pc.toString(16)} `),
    );
  });
});

describe('the comparison of traces', () => {
  const text = (...lines: string[]): Buffer => Buffer.from(['{}', 'power-on', ...lines, ''].join('\n'));
  const lines = ['0 10000 40 aa', '1 10000 44 bb', '0 20000 48 cc', 'memory 30000 dd'];

  it('counts instructions over resets', () => {
    const twice = text(...lines, 'power-on', '0 10000 40 aa');
    expect(compareTraces(twice, twice)).toEqual({
      registers: 4,
      memory: 1,
      instructions: 40_000,
      difference: undefined,
    });
  });

  it('lets a machine that was ended go on for longer on one side', () => {
    expect(compareTraces(text(...lines), text(...lines, '0 30000 4c ee')).difference).toBeUndefined();
  });

  it.each([
    ['registers', 2, '0 20000 48 cd', { line: 4, reference: '0 20000 48 cc', sameUntil: 10_000 }],
    ['the place', 1, '1 10000 48 bb', { line: 3, reference: '1 10000 44 bb', sameUntil: 0 }],
    ['memory', 3, 'memory 30000 de', { line: 5, reference: 'memory 30000 dd', sameUntil: 0 }],
    ['the end', 3, 'end crash 3 stuck', { line: 5, reference: 'memory 30000 dd', sameUntil: 0 }],
  ])('finds a difference of %s', (_, at, line, expected) => {
    const { difference } = compareTraces(text(...lines), text(...lines.with(at, line), '0 9 9 9'));
    expect(difference).toEqual({ ...expected, subject: line });
  });

  it('names what was not given alike', () => {
    const [a, b] = [
      { smp: 1, initrd: 'x' },
      { smp: 1, initrd: 'y', append: 'z' },
    ];
    expect(differentInputs({ ...header, inputs: a }, { ...header, inputs: b })).toEqual(['initrd', 'append']);
  });
});
