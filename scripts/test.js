// Everything that must hold, in the order of how soon it can fail: types, lint and layers, fast tests, real kernels.
// The last line counts it all: `N passed, N failed`, with `, N skipped` where tests lacked what they need.
// Arguments go to vitest, and then only its tests run.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules/.bin', name);
const count = { passed: 0, failed: 0, skipped: 0 };

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) console.error(error.message);
  return status === 0;
}

function check(name, command, args) {
  const ok = run(command, args);
  if (ok) count.passed++;
  else count.failed++;
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name}`);
}

function tests(name, args) {
  const report = join(root, 'build', `tests-${name}.json`);
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const ok = run(bin('vitest'), [
    'run',
    ...args,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]);
  let failed = 0;
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    count.passed += result.numPassedTests;
    count.skipped += result.numPendingTests + result.numTodoTests;
    failed = result.numFailedTests;
    // A file that cannot be loaded fails without a test of its own.
    failed += result.testResults.filter(
      (f) => f.status === 'failed' && f.assertionResults.length === 0,
    ).length;
  } catch {
    console.error(`vitest left no report of the ${name} tests`);
  }
  count.failed += ok ? failed : Math.max(failed, 1);
}

const given = process.argv.slice(2);
if (given.length > 0) tests('given', given);
else {
  check('types', bin('tsc'), ['-b']);
  check('lint', bin('biome'), ['check', '.']);
  check('layers', bin('depcruise'), ['src', '--config', '.dependency-cruiser.json']);
  check('build', process.execPath, ['scripts/build.js']);
  tests('fast', ['--exclude', 'test/boot/**']);
  tests('boot', ['test/boot']);
}
console.log(
  `${count.passed} passed, ${count.failed} failed${count.skipped ? `, ${count.skipped} skipped` : ''}`,
);
process.exitCode = count.failed > 0 ? 1 : 0;
