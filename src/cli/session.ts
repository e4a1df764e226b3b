// A guest at a terminal: connects a running machine to stdin, stdout, signals and the clock on the wall, and says how
// it ended. Knows the machine through the few members it uses.

import { constants } from 'node:os';
import { DisposableStore } from '../lib/index.ts';
import type { Machine, MachineEnd } from '../vmm/index.ts';
import type { CliIo } from './command.ts';
import { EXIT, signalStatus } from './exit-status.ts';
import { ConsoleTail, type SerialSink } from './output.ts';
import { Terminal } from './terminal.ts';

export interface SessionOptions {
  readonly machine: Pick<Machine, 'console' | 'run' | 'quit'>;
  readonly sink: SerialSink;
  /** Whether the keyboard goes to the guest. */
  readonly interactive: boolean;
  readonly timeoutSeconds: number | undefined;
  /** Settles when the reader of stdout has gone away. */
  readonly outputClosed: Promise<void>;
  readonly io: CliIo;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Lines of the console that a crash report repeats where nobody saw them. */
const LAST_LINES = 20;

/** Runs to the end and gives the exit status. Whatever happens the terminal is restored. */
export async function runSession(options: SessionOptions): Promise<number> {
  const { machine, sink, io } = options;
  const owned = new DisposableStore();
  const tail = new ConsoleTail();
  // The first reason to leave early decides the status.
  let early: { readonly status: number; readonly message?: string } | undefined;
  const leave = (status: number, message?: string): void => {
    early ??= message === undefined ? { status } : { status, message };
    machine.quit();
  };
  owned.add(
    machine.console.onOutput((bytes) => {
      tail.feed(bytes);
      return sink.write(bytes);
    }),
  );
  if (options.interactive) owned.add(connectKeyboard(machine, io, () => leave(EXIT.ok)));
  else machine.console.endInput();
  for (const signal of SIGNALS)
    owned.add(onSignal(signal, () => leave(signalStatus(constants.signals[signal]))));
  if (options.timeoutSeconds !== undefined) {
    const seconds = options.timeoutSeconds;
    const timer = setTimeout(() => leave(EXIT.timeout, `time-out after ${seconds} s`), seconds * 1000);
    owned.add({ dispose: () => clearTimeout(timer) });
  }
  void options.outputClosed.then(() => leave(signalStatus(constants.signals.SIGPIPE)));

  let end: MachineEnd;
  try {
    end = await machine.run();
  } finally {
    owned.dispose();
  }
  await sink.close();
  if (early) {
    if (early.message !== undefined) io.stderr.write(`ringfence: ${early.message}\n`);
    return early.status;
  }
  return conclude(end, tail, options);
}

function conclude(end: MachineEnd, tail: ConsoleTail, { interactive, io }: SessionOptions): number {
  if (end.status === EXIT.ok) return EXIT.ok;
  const what = end.status === EXIT.guestCrash ? 'the guest crashed' : 'the machine cannot go on';
  io.stderr.write(`ringfence: ${what}: ${end.message}\n`);
  // On stdout the person has seen them already.
  if (!interactive) for (const line of tail.lines(LAST_LINES)) io.stderr.write(`  | ${line}\n`);
  return end.status;
}

function connectKeyboard(machine: SessionOptions['machine'], io: CliIo, quit: () => void): DisposableStore {
  const owned = new DisposableStore();
  const terminal = new Terminal(io.stdin, io.stderr, {
    input(bytes) {
      if (!machine.console.write(bytes)) terminal.pause();
    },
    end: () => machine.console.endInput(),
    quit,
    sendBreak: () => machine.console.sendBreak(),
  });
  owned.add(terminal);
  owned.add(machine.console.onDrain(() => terminal.resume()));
  return owned;
}

/** A second signal of the same kind has its usual effect: the process ends at once. */
function onSignal(signal: NodeJS.Signals, then: () => void): { dispose(): void } {
  process.once(signal, then);
  return { dispose: () => process.off(signal, then) };
}
