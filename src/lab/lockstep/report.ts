// What a person reads of a difference: the instruction, then the registers of both sides side by side.

import type { Capture } from './capture.ts';
import type { Divergence } from './lockstep.ts';

const WIDTH = 18;
/** Instructions that are shown of those that ran as one. */
const SHOWN = 40;

const hex = (value: bigint | number | undefined): string =>
  value === undefined ? '-' : `0x${value.toString(16)}`;

/** `disassemble` gives the text of an instruction at an address. */
export function formatDivergence(
  divergence: Divergence,
  disassemble: (word: number, address: bigint) => string,
): string {
  const { memory, culprit } = divergence;
  const lines: string[] = [];
  if (memory) {
    const { address, offset, reference, subject } = memory;
    const where =
      address === undefined
        ? `allocation tags or a frame without a page, host offset ${hex(offset)}`
        : hex(address);
    lines.push(`memory at ${where}: reference ${hex(reference)}, subject ${hex(subject)}`);
  }
  if (!culprit) {
    lines.push(memory ? 'no instruction: no vCPU wrote it' : 'a second run did not show the difference');
    return lines.join('\n');
  }
  const { before, reference, subject, instructions } = culprit;
  lines.push(`vCPU ${before.vcpu} after ${before.instructions} instructions, first difference at:`);
  for (const { address, word } of instructions.slice(0, SHOWN)) {
    const text = word === undefined ? '(not to be read)' : disassemble(word, address);
    lines.push(
      `  ${hex(address)}  ${word === undefined ? '        ' : word.toString(16).padStart(8, '0')}  ${text}`,
    );
  }
  if (instructions.length > SHOWN) lines.push(`  and ${instructions.length - SHOWN} more`);
  lines.push('', row('', 'before', 'reference', 'subject'));
  lines.push(...registerRows(before, reference, subject));
  return lines.join('\n');
}

const row = (name: string, ...values: string[]): string =>
  `${name.padEnd(12)} ${values.map((value) => value.padStart(WIDTH)).join('  ')}`.trimEnd();

/** All general registers, and of the others those that differ or that changed. */
function* registerRows(before: Capture, reference: Capture, subject: Capture): Generator<string> {
  const [a, b, c] = [namedValues(before), namedValues(reference), namedValues(subject)];
  for (const [name, value] of b) {
    const other = c.get(name);
    const differs = value !== other;
    if (!differs && value === a.get(name) && !/^(x\d+|pc|pstate|sp_el\d)$/.test(name)) continue;
    yield `${row(name, hex(a.get(name)), hex(value), hex(other))}${differs ? '  <' : ''}`;
  }
}

function namedValues({ registers, memory }: Capture): Map<string, bigint | undefined> {
  const values = new Map<string, bigint | undefined>();
  values.set('pc', registers.pc);
  values.set('pstate', registers.pstate);
  registers.x.forEach((value, n) => {
    values.set(`x${n}`, value);
  });
  values.set('sp_el0', registers.spEl0);
  values.set('sp_el1', registers.spEl1);
  registers.v.forEach((value, n) => {
    values.set(`v${n}`, value);
  });
  values.set('fpcr', BigInt(registers.fpcr));
  values.set('fpsr', BigInt(registers.fpsr));
  for (const [name, value] of Object.entries(registers.systemRegisters)) values.set(name, value);
  values.set('instructions', BigInt(registers.instructions));
  if (memory !== undefined) values.set('memory', memory);
  return values;
}
