// A progress bar on a terminal, and one line per step elsewhere.

import type { Progress } from '../images/index.ts';

const WIDTH = 30;

export interface ProgressBar {
  readonly update: Progress;
  /** Leaves the line empty for what follows. */
  finish(): void;
}

export function progressBar(stderr: NodeJS.WriteStream): ProgressBar {
  let step = '';
  if (!stderr.isTTY) {
    return {
      update(what) {
        if (what !== step) stderr.write(`ringfence: ${what}\n`);
        step = what;
      },
      finish() {},
    };
  }
  return {
    update(what, share) {
      step = what;
      const filled = Math.round(Math.min(1, Math.max(0, share)) * WIDTH);
      const bar = '#'.repeat(filled) + '.'.repeat(WIDTH - filled);
      stderr.write(`\r\x1b[K${what.padEnd(14)} [${bar}] ${Math.round(share * 100)}%`);
    },
    finish() {
      if (step !== '') stderr.write('\r\x1b[K');
    },
  };
}
