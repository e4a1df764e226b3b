// The numbers of the last run, kept so that the page can be written again when only its notes have changed.

import { readFileSync, writeFileSync } from 'node:fs';
import type { Cell } from './measure.ts';
import type { PageContents } from './page.ts';

type Kept = Omit<PageContents, 'notes' | 'results'> & {
  readonly cells: readonly (readonly [string, readonly (readonly [string, Cell])[]])[];
  readonly mebibytes: readonly (readonly [string, number[]])[];
};

export function writeResults(file: string, contents: PageContents): void {
  const { notes: _, results, ...rest } = contents;
  const kept: Kept = {
    ...rest,
    cells: [...results.cells].map(([row, cells]) => [row, [...cells]]),
    mebibytes: [...results.mebibytes],
  };
  writeFileSync(file, `${JSON.stringify(kept, undefined, 1)}\n`);
}

/** Undefined where there is no such file. */
export function readResults(file: string): Omit<PageContents, 'notes'> | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const { cells, mebibytes, ...rest } = JSON.parse(text) as Kept;
  return {
    ...rest,
    results: {
      cells: new Map(cells.map(([row, of]) => [row, new Map(of)])),
      mebibytes: new Map(mebibytes),
    },
  };
}
