import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const launcher = resolve(import.meta.dirname, '../../ringfence');
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-launcher-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('./ringfence', () => {
  it('works from any folder and through symbolic links', () => {
    symlinkSync(launcher, join(folder, 'first'));
    symlinkSync('first', join(folder, 'second'));
    const { status, stdout, stderr } = spawnSync(join(folder, 'second'), ['--version'], {
      cwd: '/',
      encoding: 'utf8',
    });
    expect({ status, stdout: /^\d+\.\d+\.\d+\n$/.test(stdout), stderr }).toEqual({
      status: 0,
      stdout: true,
      stderr: '',
    });
  });

  it('gives the exit status and one line of a mistake', () => {
    const { status, stdout, stderr } = spawnSync(launcher, ['run', '--smp', '0'], { encoding: 'utf8' });
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: '',
      stderr: 'ringfence: --smp 0: not a whole number from 1 to 8\n',
    });
  });

  it.each([
    ['echo 1', 1],
    ['echo 2', 1],
    ['echo 4', 3],
    ['echo 64', 4],
    ['exit 127', 1],
  ])('leaves the guest a processor where getconf says %s', (getconf, threads) => {
    const programs = join(folder, 'programs');
    mkdirSync(programs, { recursive: true });
    for (const [name, line] of Object.entries({ getconf, node: 'echo "$1"' })) {
      writeFileSync(join(programs, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    }
    const env = { ...process.env, PATH: `${programs}:${process.env.PATH}` };
    const { stdout } = spawnSync(launcher, ['--version'], { encoding: 'utf8', env });
    expect(stdout).toBe(`--v8-pool-size=${threads}\n`);
  });
});
