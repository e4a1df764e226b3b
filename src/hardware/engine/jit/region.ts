// What the JIT compiles at once: the instructions of one code page that can be reached from an entry by direct
// branches, as a control-flow graph of basic blocks. Calls, indirect branches, other pages and instructions that
// must leave generated code are ways out.

import { type Decoder, type Fields, fieldsOf, type Variant } from '../../a64/index.ts';

const PAGE = 4096;
/** Longer regions spend more in the compiler than their cold tails give back. */
const MAX_INSTRUCTIONS = 200;

export interface RegionInstruction {
  /** Offset in the page. */
  readonly offset: number;
  readonly word: number;
  readonly variant: Variant;
  readonly fields: Fields;
}

export interface BasicBlock {
  /** Offset in the page of its first instruction. */
  readonly start: number;
  readonly instructions: readonly RegionInstruction[];
  /** Offset after the last instruction: where control goes on without a branch. */
  readonly end: number;
  /** Offset that the last instruction branches to, where it has a fixed target. May be outside the page. */
  readonly target: number | undefined;
  /** How the last instruction passes control on; 'next' falls through. */
  readonly flow: 'next' | 'jump' | 'call' | 'branch' | 'indirect';
}

export interface Region {
  readonly entry: number;
  readonly blocks: ReadonlyMap<number, BasicBlock>;
  readonly instructions: number;
}

/** The branch displacement in bytes of a direct branch's fields. */
function displacement(fields: Fields): number | undefined {
  for (const [name, bits] of [
    ['imm26', 26],
    ['imm19', 19],
    ['imm14', 14],
  ] as const) {
    const value = fields[name];
    if (value !== undefined) return (value << (32 - bits)) >> (30 - bits);
  }
  return undefined;
}

/** Finds the region at `entry`; `word(offset)` reads the page's instructions. Undefined where it would be empty. */
export function findRegion(
  decoder: Decoder,
  entry: number,
  word: (offset: number) => number,
): Region | undefined {
  const found = new Map<number, RegionInstruction>();
  const leaders = new Set<number>([entry]);
  const work = [entry];
  const inPage = (offset: number): boolean => offset >= 0 && offset < PAGE;

  while (work.length > 0 && found.size < MAX_INSTRUCTIONS) {
    let offset = work.pop() as number;
    while (inPage(offset) && !found.has(offset) && found.size < MAX_INSTRUCTIONS) {
      const insn = word(offset);
      const variant = decoder.decode(insn);
      if (!variant || variant.row.flow === 'leave') break;
      const fields = fieldsOf(variant.row.pattern, insn);
      found.set(offset, { offset, word: insn, variant, fields });
      const { flow } = variant.row;
      if (flow === 'jump' || flow === 'branch') {
        const target = offset + (displacement(fields) as number);
        if (inPage(target)) {
          leaders.add(target);
          work.push(target);
        }
        if (flow === 'branch') leaders.add(offset + 4);
      }
      if (flow !== undefined && flow !== 'branch') break;
      offset += 4;
    }
  }
  if (!found.has(entry)) return undefined;

  const blocks = new Map<number, BasicBlock>();
  for (const start of leaders) {
    if (!found.has(start)) continue;
    const instructions: RegionInstruction[] = [];
    let offset = start;
    let flow: BasicBlock['flow'] = 'next';
    let target: number | undefined;
    while (flow === 'next') {
      const instruction = found.get(offset);
      if (!instruction || (offset !== start && leaders.has(offset))) break;
      instructions.push(instruction);
      const { row } = instruction.variant;
      if (row.flow && row.flow !== 'leave') {
        flow = row.flow;
        if (flow !== 'indirect') target = offset + (displacement(instruction.fields) as number);
      }
      offset += 4;
    }
    blocks.set(start, { start, instructions, end: offset, target, flow });
  }
  return { entry, blocks, instructions: found.size };
}
