// What the reference CPU did in every case of the suite: test/golden/mte-checks.gz, a line of JSON and the results.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { suiteImage } from './image.ts';

/** Programs of the test tree run at the project's root. */
const GOLDEN = 'test/golden/mte-checks.gz';

export interface Golden {
  readonly reference: string;
  /** Of the program that ran. */
  readonly digest: string;
  readonly results: Uint8Array;
}

export const suiteDigest = (): string => createHash('sha256').update(suiteImage(false)).digest('hex');

export function readGolden(): Golden {
  const all = gunzipSync(readFileSync(GOLDEN));
  const end = all.indexOf(10);
  const head = JSON.parse(all.toString('utf8', 0, end)) as Omit<Golden, 'results'>;
  return { ...head, results: all.subarray(end + 1) };
}

export function writeGolden({ results, ...head }: Golden): void {
  writeFileSync(
    GOLDEN,
    gzipSync(Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), results]), { level: 9 }),
  );
}
