// What ./ringfence starts: makes sure that dist/ is there and no older than its sources, then becomes the command line.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cli = join(root, 'dist/cli.js');

const fail = (sentence) => {
  process.stderr.write(`ringfence: ${sentence}\n`);
  process.exit(1);
};

if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(`Node.js 20 or newer is needed, and this is ${process.versions.node}`);
}
if (!existsSync(join(root, 'node_modules/commander')) && existsSync(join(root, 'src'))) {
  fail(`its dependencies are not installed; run: npm ci --prefix '${root}'`);
}
// An installed package has dist/ and no sources.
if (existsSync(join(root, 'src'))) {
  const { build, isStale } = await import('./build.js');
  if (isStale()) {
    await build().catch((error) => {
      fail(`the build failed: ${error instanceof Error ? error.message : error}`);
    });
  }
}
await import(pathToFileURL(cli).href);
