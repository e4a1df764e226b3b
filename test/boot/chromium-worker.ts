// What the page's Web Worker does: takes orders from the server that it came from, a line of JSON each, and sends back
// what became of them. Bundled for a browser, so that it may import nothing of Node.

import { Machine, type MachineOptions } from '../../src/vmm/index.ts';
import type { Guest } from './guest.ts';
import { bootToShell, LOADS, runUnit } from './memory-load.ts';
import { type RunOrder, wholeRun } from './whole-run.ts';

/** V8's, with --expose-gc. */
declare const gc: (options: { type: 'major'; execution: 'async' }) => Promise<void>;

let machine: Machine | undefined;
let guest: Guest | undefined;

const needed = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('no guest was booted');
  return value;
};

const orders = {
  wholeRun: (order: RunOrder) => wholeRun(order),

  /** Boots the guest of the loads to its shell. */
  boot: async (options: Pick<MachineOptions, 'kernel' | 'initrd' | 'append' | 'memory'>) => {
    machine = await Machine.create(options);
    guest = await bootToShell(machine);
  },

  /** One unit of a load. */
  work: async ({ name, n }: { readonly name: string; readonly n: number }) =>
    runUnit(needed(guest), needed(LOADS.find((load) => load.name === name)), n),

  counters: async () => needed(machine).stats().counters,

  collectGarbage: () => gc({ type: 'major', execution: 'async' }),
};

/** Takes one argument each; what they take and give is JSON. */
export type Orders = typeof orders;

export interface Order {
  readonly id: number;
  readonly name: keyof Orders;
  readonly argument: unknown;
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  /** Where it failed: how. */
  readonly error?: string;
}

async function obey({ id, name, argument }: Order): Promise<void> {
  const answer: Answer = await orders[name](argument as never).then(
    (value: unknown) => ({ id, value }),
    (error: unknown) => ({ id, error: error instanceof Error ? `${error.stack}` : String(error) }),
  );
  await fetch('/answers', { method: 'POST', body: JSON.stringify(answer) });
}

/** The response has no end: where it breaks off, the server knows that we are gone. */
async function takeOrders(): Promise<void> {
  const { body } = await fetch('/orders');
  const reader = needed(body ?? undefined).getReader();
  const decoder = new TextDecoder();
  for (let text = ''; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (text + decoder.decode(value, { stream: true })).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) void obey(JSON.parse(line) as Order);
  }
}

void takeOrders();
