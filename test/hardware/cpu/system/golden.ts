// The recorded programs and the reference's lines: test/golden/cpu-system.json.gz.

import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Variant } from './payload.ts';

/** Programs of the test tree run at the project's root. */
export const GOLDEN = 'test/golden/cpu-system.json.gz';

export interface Recording {
  /** A segment of the program: its address and bytes in base64. */
  readonly segments: readonly { readonly address: number; readonly bytes: string }[];
  readonly entry: number;
  /** By case number. */
  readonly lines: readonly string[];
}
export interface Golden {
  readonly reference: string;
  readonly names: readonly string[];
  readonly recordings: Readonly<Record<Variant, Recording>>;
}

export const readGolden = (): Golden => JSON.parse(gunzipSync(readFileSync(GOLDEN)).toString()) as Golden;
export const writeGolden = (golden: Golden): void =>
  writeFileSync(GOLDEN, gzipSync(JSON.stringify(golden), { level: 9 }));
