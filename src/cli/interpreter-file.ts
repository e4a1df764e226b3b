// The interpreter's code, generated when the program is built and kept in a file beside it: generating it takes longer
// than anything else before a guest's first instruction. Without the file, it is generated.

import { readFileSync, writeFileSync } from 'node:fs';
import { generatedImages, offerImage } from '../hardware/index.ts';

/** Stands in dist/, beside the bundles. */
const FILE = new URL('./interpreter.bin', import.meta.url);
const NEWLINE = 10;

/** Writes what this program has generated: a line of JSON, the tables, the decision tree, the module. */
export function writeInterpreter(): void {
  for (const { module, tables, tree, ...rest } of generatedImages()) {
    const head = JSON.stringify({ ...rest, tableBytes: tables.length, treeWords: tree.length });
    const words = Buffer.from(tree.buffer, tree.byteOffset, tree.byteLength);
    writeFileSync(FILE, Buffer.concat([Buffer.from(`${head}\n`), tables, words, module]));
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
  const { tableBytes, treeWords, ...rest } = JSON.parse(file.toString('utf8', 0, end));
  const tables = end + 1;
  const words = tables + tableBytes;
  const tree = new Int32Array(treeWords);
  const module = words + tree.byteLength;
  new Uint8Array(tree.buffer).set(file.subarray(words, module));
  offerImage({ ...rest, tree, tables: file.subarray(tables, words), module: file.subarray(module) });
}
