// A guest that has booted to its shell on one peer, and rows that run in it one by one.

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askQmp } from '../src/lab/explain/qmp-client.ts';
import type { MachineStats } from '../src/vmm/index.ts';
import type { BenchGuest } from './guest.ts';
import { GuestFailure, GuestProcess, type Moment, since } from './guest-process.ts';
import type { Engine, Peer } from './peers.ts';
import type { WorkRow } from './rows.ts';

export const INIT_LINE = 'BENCH-INIT';
const PROMPT = '~ # ';

/** Ringfence's counters while a row ran; undefined on other peers. */
export type RowStats = Pick<MachineStats, 'instructions' | 'exits' | 'counters'>;

export interface RowResult {
  readonly seconds: Moment;
  /** What the work printed; the same on all peers of an architecture. */
  readonly value: string;
  readonly stats: RowStats | undefined;
}

export interface BootResult {
  /** From the start of the emulator to process 1, and to the prompt. */
  readonly init: Moment;
  readonly shell: Moment;
  /** Up to the prompt. */
  readonly stats: RowStats | undefined;
}

export interface SessionOptions {
  readonly smp: number;
  readonly engine?: Engine;
}

const folders = new Set<string>();

/** For the end of the program, whatever its cause. */
export function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

export class Session {
  readonly boot: BootResult;
  private readonly guest: GuestProcess;
  private readonly folder: string;
  private readonly monitor: string | undefined;

  private constructor(guest: GuestProcess, folder: string, monitor: string | undefined, boot: BootResult) {
    this.guest = guest;
    this.folder = folder;
    this.monitor = monitor;
    this.boot = boot;
  }

  static async start(peer: Peer, files: BenchGuest, options: SessionOptions): Promise<Session> {
    const folder = mkdtempSync(join(tmpdir(), 'ringfence-bench-'));
    folders.add(folder);
    const disk = join(folder, 'disk');
    copyFileSync(files.disk, disk);
    const monitor = peer.hasCounters ? join(folder, 'qmp') : undefined;
    const [command, ...args] = peer.command({ ...files, disk, monitor, ...options });
    const guest = new GuestProcess(command!, args);
    try {
      const init = await guest.until(new RegExp(INIT_LINE));
      const shell = await guest.until(new RegExp(PROMPT));
      return new Session(guest, folder, monitor, {
        init: since(guest.startedAt, init.at),
        shell: since(guest.startedAt, shell.at),
        stats: await ask(monitor),
      });
    } catch (error) {
      await guest.kill();
      release(folder);
      throw error;
    }
  }

  async run(row: WorkRow): Promise<RowResult> {
    const before = await ask(this.monitor);
    this.guest.type(`sh /bench/${row.name}\r`);
    const begin = await this.guest.until(new RegExp(`BENCH-BEGIN\\r?\\n|${PROMPT}`));
    if (begin.match[0] === PROMPT) throw new GuestFailure(`${row.name} did not begin`);
    const end = await this.guest.until(new RegExp(`BENCH-END ?(.*?)\\r?\\n|${PROMPT}`));
    if (end.match[0] === PROMPT) throw new GuestFailure(`${row.name} broke off`);
    await this.guest.until(new RegExp(PROMPT));
    const after = await ask(this.monitor);
    return {
      seconds: since(begin.at, end.at),
      value: end.match[1] ?? '',
      stats: before && after && difference(before, after),
    };
  }

  peakMebibytes(): number | undefined {
    return this.guest.peakMebibytes();
  }

  async end(): Promise<void> {
    await this.guest.kill();
    release(this.folder);
  }
}

async function ask(monitor: string | undefined): Promise<RowStats | undefined> {
  if (monitor === undefined) return undefined;
  return (await askQmp({ kind: 'unix', path: monitor }, 'x-ringfence-stats', {})) as RowStats;
}

function release(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

function difference(before: RowStats, after: RowStats): RowStats {
  const minus = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(a).map(([key, value]) => [key, value - (b[key] ?? 0)]));
  return {
    instructions: after.instructions - before.instructions,
    exits: minus(after.exits, before.exits),
    counters: minus(after.counters, before.counters),
  };
}
