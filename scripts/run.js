// Runs a TypeScript program of the test tree: bundles it into build/ and imports it, with the arguments that follow.
//
//   node scripts/run.js test/hardware/a64/fuzz.ts --count 1000

import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [entry, ...args] = process.argv.slice(2);
if (entry === undefined) {
  console.error('run.js: name a program');
  process.exit(2);
}
process.chdir(root);
const outfile = join(root, 'build', `${basename(entry, '.ts')}.${process.pid}.mjs`);
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'error',
});
const { unlinkSync } = await import('node:fs');
process.on('exit', () => unlinkSync(outfile));
process.argv = [process.argv[0], entry, ...args];
await import(pathToFileURL(outfile).href);
