// Which rows of blocks are turns of loops.

import { describe, expect, it } from 'vitest';
import { assemble, buildDecoder, instructionTable } from '../../../src/hardware/a64/index.ts';
import { findRegion, NEAR_REACH } from '../../../src/hardware/engine/jit/find-region.ts';

const decoder = buildDecoder(instructionTable());

/** The places of each turn's blocks, by instruction; `cold` are those that are not hot themselves. */
function turnsOf(source: string, cold: readonly number[] = []): number[][] {
  const words = assemble(source, 0x8000_0000);
  const region = findRegion(
    {
      decoder,
      page: (index) => (index === 0 ? 0 : undefined),
      word: (host) => words[host / 4] ?? 0,
      isSeen: () => true,
      isWarm: () => true,
      isHot: (host) => !cold.includes(host / 4),
    },
    0,
    NEAR_REACH,
  );
  return [...(region?.turns.values() ?? [])].map((turn) => turn.map(({ at }) => at / 4));
}

describe('turns of loops', () => {
  it.each<readonly [string, string, number[][]]>([
    ['one block', 'nop\nagain: subs x0, x0, #1\nb.ne again\nret', [[1]]],
    ['two blocks, left by the first', 'again: cbz x0, out\nsub x0, x0, #1\nb again\nout: ret', [[0, 1]]],
    [
      'inner loops of nested ones',
      'outer: nop\ninner: subs x1, x1, #1\nb.ne inner\nsubs x0, x0, #1\nb.ne outer\nret',
      [[1]],
    ],
    [
      'not where two ways meet',
      'again: tbz x0, #0, even\nadd x1, x1, #1\neven: subs x0, x0, #1\nb.ne again\nret',
      [],
    ],
    [
      'from where the loop is entered',
      'b middle\nagain: cbz x1, out\nmiddle: subs x0, x0, #1\nb.ne again\nout: ret',
      [[2, 1]],
    ],
    ['not with a call', 'again: bl f\nsubs x0, x0, #1\nb.ne again\nf: ret', []],
    [
      'one of two that share their first block',
      'again: cbnz x1, again\nsubs x0, x0, #1\nb.ne again\nret',
      [[0]],
    ],
    [
      'not of more than four blocks',
      `again: ${[1, 2, 3, 4].map((n) => `cbz x${n}, out\n`).join('')}subs x0, x0, #1\nb.ne again\nout: ret`,
      [],
    ],
  ])('%s', (_, source, turns) => {
    expect(turnsOf(source)).toEqual(turns);
  });

  it('those that are hot', () => {
    expect(turnsOf('nop\nagain: subs x0, x0, #1\nb.ne again\nret', [1])).toEqual([]);
  });
});
