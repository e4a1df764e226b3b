// The interpreter's code, generated when the program is built and kept in a file beside it: generating it takes longer
// than anything else before a guest's first instruction. Without the file, it is generated.

import { readFileSync, writeFileSync } from 'node:fs';
import { generatedImages, offerImage } from '../hardware/index.ts';

/** Stands in dist/, beside the bundles. */
const FILE = new URL('./interpreter.bin', import.meta.url);
const NEWLINE = 10;

/** Writes what this program has generated: a line of JSON, the tables, the module. */
export function writeInterpreter(): void {
  for (const { module, tables, ...rest } of generatedImages()) {
    const head = JSON.stringify({ ...rest, tableBytes: tables.length });
    writeFileSync(FILE, Buffer.concat([Buffer.from(`${head}\n`), tables, module]));
  }
}

/** Offers what the build wrote. */
export function readInterpreter(): void {
  let file: Buffer;
  try {
    file = readFileSync(FILE);
  } catch {
    return;
  }
  const end = file.indexOf(NEWLINE);
  const { tableBytes, ...rest } = JSON.parse(file.toString('utf8', 0, end));
  const tables = end + 1;
  const module = tables + tableBytes;
  offerImage({ ...rest, tables: file.subarray(tables, module), module: file.subarray(module) });
}
