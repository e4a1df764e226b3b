// The architectural state of a vCPU at one moment, and how two of them differ.

import type { Vcpu } from '../../hypervisor/index.ts';

type Registers = ReturnType<Vcpu['cpu']['save']>;

export interface Capture {
  readonly vcpu: number;
  /** Instructions that this vCPU has run since its machine's last reset. */
  readonly instructions: number;
  readonly registers: Registers;
  /** Guest memory that is watched. */
  readonly memory: bigint | undefined;
}

/** What one name stands for on both sides; undefined where one side has nothing of that name. */
export interface Difference {
  readonly name: string;
  readonly reference: bigint | undefined;
  readonly subject: bigint | undefined;
}

const SCALARS = ['pc', 'pstate', 'spEl0', 'spEl1', 'random'] as const;
const NUMBERS = ['fpcr', 'fpsr', 'instructions'] as const;

/** All names whose values differ; none where the two are equal. */
export function differencesOf(reference: Capture, subject: Capture): Difference[] {
  const found: Difference[] = [];
  const compare = (name: string, a: bigint | undefined, b: bigint | undefined): void => {
    if (a !== b) found.push({ name, reference: a, subject: b });
  };
  const [a, b] = [reference.registers, subject.registers];
  compare('vcpu', BigInt(reference.vcpu), BigInt(subject.vcpu));
  for (const name of SCALARS) compare(name, a[name], b[name]);
  for (const name of NUMBERS) if (a[name] !== b[name]) compare(name, BigInt(a[name]), BigInt(b[name]));
  for (let n = 0; n < a.x.length; n++) if (a.x[n] !== b.x[n]) compare(`x${n}`, a.x[n], b.x[n]);
  for (let n = 0; n < a.v.length; n++) if (a.v[n] !== b.v[n]) compare(`v${n}`, a.v[n], b.v[n]);
  for (const name in a.systemRegisters) compare(name, a.systemRegisters[name], b.systemRegisters[name]);
  if (a.event !== b.event) compare('event', BigInt(a.event), BigInt(b.event));
  const answers = a.mmio.answers.length;
  if (answers !== b.mmio.answers.length) compare('mmio', BigInt(answers), BigInt(b.mmio.answers.length));
  compare('memory', reference.memory, subject.memory);
  return found;
}
