// Loops whose body is a row of blocks: what the JIT has code for that runs turn after turn (turns.ts).

import { type BasicBlock, pageOf, successors } from './region.ts';

/** Longer turns gain little by it. */
const MAX_BLOCKS = 4;

/**
 * By the last block of each turn, its blocks in order: each but the first is only entered from the one before it, the
 * last leads back to the first, and control is known to come to one of them often.
 */
export function findTurns(
  blocks: readonly BasicBlock[],
  isHot: (at: number) => boolean,
): Map<number, readonly BasicBlock[]> {
  const predecessors = blocks.map((): number[] => []);
  for (const block of blocks) {
    for (const to of successors(block)) (predecessors[to] as number[]).push(block.index);
  }
  const turns = new Map<number, readonly BasicBlock[]>();
  const taken = new Set<BasicBlock>();
  for (const last of blocks) {
    for (const first of successors(last)) {
      const turn = rowFrom(first, last);
      if (!turn?.some(({ at }) => isHot(at)) || turn.some((block) => taken.has(block))) continue;
      turns.set(last.index, turn);
      for (const block of turn) taken.add(block);
    }
  }
  return turns;

  function rowFrom(first: number, last: BasicBlock): BasicBlock[] | undefined {
    const row: BasicBlock[] = [];
    for (let block = last; ; ) {
      if (!isPlain(block) || pageOf(block.at) !== pageOf(last.at) || row.push(block) > MAX_BLOCKS)
        return undefined;
      if (block.index === first) return row.reverse();
      const [before, ...others] = predecessors[block.index] as number[];
      // The entry is also entered from outside.
      if (before === undefined || others.length > 0 || block.index === 0) return undefined;
      block = blocks[before] as BasicBlock;
    }
  }
}

const isPlain = ({ flow }: BasicBlock): boolean => flow === 'next' || flow === 'jump' || flow === 'branch';
