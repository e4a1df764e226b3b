// One peer of a comparison: a program that runs a guest with its console on stdin and stdout.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export const PEERS = {
  ringfence: {
    title: 'Ringfence',
    command: (guest, stats) => [
      process.execPath,
      join(root, 'dist/cli.js'),
      'run',
      ...['--kernel', guest.kernel, '--initrd', guest.initrd, '--append', guest.append],
      ...['--memory', '1G', '--clock', 'host', '--stats', stats],
    ],
  },
  qemu: {
    title: 'qemu-system-aarch64',
    command: (guest) => [
      'qemu-system-aarch64',
      ...[
        '-M',
        'virt,gic-version=3',
        '-cpu',
        'max,pauth-impdef=on',
        '-m',
        '1G',
        '-display',
        'none',
        '-nodefaults',
      ],
      ...['-serial', 'stdio', '-kernel', guest.kernel, '-initrd', guest.initrd, '-append', guest.append],
    ],
  },
};

const PROMPT = '~ # ';
/** Nothing in the table should take longer; a peer that does is out of the table. */
const LIMIT_MS = 300_000;

export class Session {
  constructor(peer, guest) {
    this.folder = mkdtempSync(join(tmpdir(), 'ringfence-bench-'));
    this.stats = join(this.folder, 'stats.json');
    const [program, ...args] = PEERS[peer].command(guest, this.stats);
    this.started = performance.now();
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.text = '';
    this.child.stdout.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
      this.wake?.();
    });
    this.closed = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.failure = error.message;
        resolve();
      });
      this.child.on('close', (code) => {
        this.failure ??= `it ended with ${code}`;
        resolve();
      });
    }).then(() => this.wake?.());
  }

  /** Consumes the console up to `what`; gives the time at which it was seen. */
  async until(what) {
    const deadline = performance.now() + LIMIT_MS;
    for (;;) {
      const at = this.text.indexOf(what);
      if (at >= 0) {
        this.text = this.text.slice(at + what.length);
        return performance.now();
      }
      if (this.failure) throw new Error(this.failure);
      if (performance.now() > deadline) throw new Error(`no '${what.trim()}' within ${LIMIT_MS / 1000} s`);
      await new Promise((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, 1000);
      });
    }
  }

  /** Seconds from the start of the program to the shell's prompt. */
  async boot() {
    return ((await this.until(PROMPT)) - this.started) / 1000;
  }

  /** Seconds that a shell command takes. */
  async time(command) {
    const from = performance.now();
    // The quotes keep the echoed command line from looking like its result.
    this.child.stdin.write(`${command}; echo BENCH''-END\r`);
    const end = await this.until('BENCH-END');
    await this.until(PROMPT);
    return (end - from) / 1000;
  }

  /** The program's largest resident set so far, in MiB, where the system tells. */
  peakMebibytes() {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
      return Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)[1]) / 1024);
    } catch {
      return undefined;
    }
  }

  /** Ends the guest; gives Ringfence's counters. */
  async finish() {
    this.child.stdin.write('poweroff\r');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 20_000);
    await this.closed;
    clearTimeout(timer);
    let counters;
    try {
      counters = JSON.parse(readFileSync(this.stats, 'utf8'));
    } catch {
      // Only Ringfence writes them.
    }
    rmSync(this.folder, { recursive: true });
    return counters;
  }

  kill() {
    this.child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
