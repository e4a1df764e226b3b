import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
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
});
