// A headless Chromium of our own with one page: started with a profile in a temporary folder, and gone, folder and all,
// when it is disposed of or this process ends in whatever way lets it act.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = 'chromium';
/** What a system lacks that has none. */
export const NEEDS_CHROMIUM = 'Chromium (apt-get install chromium)';

const FLAGS = [
  '--headless=new',
  '--disable-gpu',
  // The page is ours. In the sandbox it could not run as root, and /proc would not tell of its memory.
  '--no-sandbox',
  // Nobody writes to this pipe, but Chromium ends when it breaks, even where we are killed.
  '--remote-debugging-pipe',
  '--js-flags=--expose-gc',
  ...['--no-first-run', '--disable-extensions', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-breakpad'],
  // Nobody looks at the page, and it must not be slowed down for that.
  ...['--disable-background-timer-throttling', '--disable-renderer-backgrounding'],
];

export const hasChromium = (): boolean => spawnSync(PROGRAM, ['--version']).status === 0;

export class Chromium implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'ringfence-chromium-'));
  private readonly child: ChildProcess;
  private readonly atExit = (): void => this[Symbol.dispose]();

  /** `ended` is called where it ends by itself. */
  constructor(url: string, ended: (why: string) => void) {
    process.once('exit', this.atExit);
    this.child = spawn(PROGRAM, [...FLAGS, `--user-data-dir=${this.folder}`, url], {
      // A process group of its own, so that all of it can be ended.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: this.folder },
    });
    this.child.once('error', ({ message }) => ended(message));
    this.child.once('exit', (code, signal) => ended(`Chromium ended (${signal ?? code})`));
  }

  /**
   * The process in which the page runs, while a guest does: of the processes for pages, of which Chromium keeps some for
   * itself, the one with most in memory.
   */
  get renderer(): number {
    const renderers = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && this.isRenderer(name))
      .sort((a, b) => residentPages(b) - residentPages(a));
    if (renderers[0] === undefined) throw new Error('Chromium has no process for the page');
    return Number(renderers[0]);
  }

  private isRenderer(pid: string): boolean {
    // proc(5): the process group is the third field behind the name, which stands in parentheses.
    const group = ofProcess(pid, 'stat').split(') ').at(-1)?.split(' ')[2];
    return group === String(this.child.pid) && ofProcess(pid, 'cmdline').includes('--type=renderer');
  }

  [Symbol.dispose](): void {
    process.removeListener('exit', this.atExit);
    this.child.removeAllListeners();
    // What comes after this is of no interest, not even that there was no such program.
    this.child.on('error', () => {});
    try {
      if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
    // Its processes need a moment to be gone, and may write until then.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

/** A file of a process in /proc; empty where there is no such process any more. */
function ofProcess(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

const residentPages = (pid: string): number => Number(ofProcess(pid, 'statm').split(' ')[1] ?? 0);
