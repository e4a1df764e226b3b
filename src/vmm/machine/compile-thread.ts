// A thread that compiles guest code beside the one that runs it. Guests cannot tell: a region that is ready later is
// interpreted longer. Node's threads only; without one, or where it fails, the machine's own thread compiles.

import type { MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { type Batch, type Compiled, inlineCompiler, type RegionCompiler } from '../../hypervisor/index.ts';
import type { Disposable, Log } from '../../lib/index.ts';

/** Stands beside the bundle that this is part of; sources have none. */
const WORKER = new URL('./compile-worker.js', import.meta.url);

/** What the thread starts with: where it takes requests and gives answers, and an i32 that counts its answers. */
export interface CompileThreadData {
  readonly port: MessagePort;
  readonly answers: SharedArrayBuffer;
}
/** What it is asked, and what it answers. */
export interface CompileRequest {
  readonly ticket: number;
  readonly batch: Batch;
}
export interface CompileReply {
  readonly ticket: number;
  readonly compiled: Compiled;
}

type Threads = typeof import('node:worker_threads');

interface Outstanding {
  readonly batch: Batch;
  readonly done: (compiled: Compiled) => void;
}

export class CompileThread implements RegionCompiler, Disposable {
  readonly background = true;
  private readonly worker: Worker;
  private readonly outstanding = new Map<number, Outstanding>();
  private readonly instead = inlineCompiler(() => performance.now());
  private readonly port: MessagePort;
  private readonly answers: Int32Array;
  private readonly receive: typeof receiveMessageOnPort;
  private answered = 0;
  private broken = false;
  private tickets = 0;

  /** Undefined where there are no such threads, or no program for one. */
  static async start(log: Log, program: URL = WORKER): Promise<CompileThread | undefined> {
    if (typeof process === 'undefined' || program.protocol !== 'file:') return undefined;
    const { existsSync } = await import('node:fs');
    if (!existsSync(program)) return undefined;
    return new CompileThread(await import('node:worker_threads'), program, log);
  }

  private constructor(threads: Threads, program: URL, log: Log) {
    const { port1, port2 } = new threads.MessageChannel();
    const answers = new SharedArrayBuffer(4);
    const workerData: CompileThreadData = { port: port2, answers };
    const worker = new threads.Worker(program, { workerData, transferList: [port2] });
    this.worker = worker;
    this.port = port1;
    this.answers = new Int32Array(answers);
    this.receive = threads.receiveMessageOnPort;
    // It keeps nobody's process alive.
    worker.unref();
    port1.unref();
    worker.on('error', (error) => {
      log('warn', 'engine', `the compile thread failed, its work goes on without it: ${error.message}`);
      this.broken = true;
      for (const { batch, done } of this.outstanding.values()) this.instead.compile(batch, done);
      this.outstanding.clear();
    });
  }

  compile(batch: Batch, done: (compiled: Compiled) => void): void {
    if (this.broken) {
      this.instead.compile(batch, done);
      return;
    }
    const ticket = this.tickets++;
    this.outstanding.set(ticket, { batch, done });
    this.port.postMessage({ ticket, batch } satisfies CompileRequest);
  }

  poll(): void {
    while (this.answered !== Atomics.load(this.answers, 0)) {
      const answer = this.receive(this.port) as { message: CompileReply };
      const { ticket, compiled } = answer.message;
      this.answered = (this.answered + 1) | 0;
      const { done } = this.outstanding.get(ticket) as Outstanding;
      this.outstanding.delete(ticket);
      done(compiled);
    }
  }

  dispose(): void {
    this.outstanding.clear();
    void this.worker.terminate();
  }
}
