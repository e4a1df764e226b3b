// The whole program on a real terminal, which script(1) provides: raw while the guest runs, restored however it ends.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const LIMIT = 60_000;
const launcher = resolve(import.meta.dirname, '../../ringfence');
const hasScript = spawnSync('script', ['--version']).status === 0;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-terminal-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly status: number;
  readonly restored: boolean;
  readonly screen: string;
}

/** Runs the program on a terminal; `act` gets the screen so far, and keys to type or the process to signal. */
function onTerminal(
  args: string,
  act: (screen: string, type: (keys: string) => void, signal: (name: NodeJS.Signals) => void) => void,
): Promise<Outcome> {
  const file = (name: string): string => join(folder, name);
  const steps = [
    `stty -g > '${file('before')}'`,
    `'${launcher}' ${args} & echo $! > '${file('pid')}'; fg >/dev/null; echo $? > '${file('status')}'`,
    `stty -g > '${file('after')}'`,
  ];
  const child = spawn('script', ['-qfec', `set -m; ${steps.join('; ')}`, '/dev/null'], {
    env: { ...process.env, SHELL: '/bin/bash' },
  });
  let screen = '';
  child.stdout.on('data', (bytes: Buffer) => {
    screen += bytes.toString('latin1');
    act(
      screen,
      (keys) => void child.stdin.write(keys),
      (name) => process.kill(Number(readFileSync(file('pid'), 'utf8')), name),
    );
  });
  return new Promise((resolve) => {
    child.on('close', () =>
      resolve({
        status: Number(readFileSync(file('status'), 'utf8')),
        restored: readFileSync(file('before'), 'utf8') === readFileSync(file('after'), 'utf8'),
        screen,
      }),
    );
  });
}

/** Does `action` once `text` is on the screen. */
function when(text: string, action: () => void): (screen: string) => void {
  let done = false;
  return (screen) => {
    if (done || !screen.includes(text)) return;
    done = true;
    action();
  };
}

describe.skipIf(!hasScript)('ringfence run on a terminal', () => {
  it('passes keys to the guest and ends with it', { timeout: LIMIT }, async () => {
    let keys = (_: string): void => {};
    const step = when('ringfence> ', () => keys('echo typed here\roff\r'));
    const outcome = await onTerminal('run embedded', (screen, type) => {
      keys = type;
      step(screen);
    });
    expect(outcome).toMatchObject({ status: 0, restored: true });
    expect(outcome.screen).toMatch(/\ntyped here\r+\n/);
  });

  it('leaves at Ctrl-A x', { timeout: LIMIT }, async () => {
    let keys = (_: string): void => {};
    const step = when('ringfence> ', () => keys('\x01x'));
    const outcome = await onTerminal('run embedded', (screen, type) => {
      keys = type;
      step(screen);
    });
    expect(outcome).toMatchObject({ status: 0, restored: true });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('is restored at %s', { timeout: LIMIT }, async (name, status) => {
    let send = (_: NodeJS.Signals): void => {};
    const step = when('ringfence> ', () => send(name));
    const outcome = await onTerminal('run embedded', (screen, _, signal) => {
      send = signal;
      step(screen);
    });
    expect(outcome).toMatchObject({ status, restored: true });
  });

  it('is restored after a guest crash, whose reason is told', { timeout: LIMIT }, async () => {
    let keys = (_: string): void => {};
    const step = when('ringfence> ', () => keys('panic\r'));
    const outcome = await onTerminal('run embedded', (screen, type) => {
      keys = type;
      step(screen);
    });
    expect(outcome).toMatchObject({ status: 3, restored: true });
    expect(outcome.screen).toContain(
      'ringfence: the guest crashed: Kernel panic - not syncing: asked for at the monitor',
    );
  });
});
