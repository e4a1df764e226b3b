// What a QMP client may ask (QEMU docs/interop/qmp-spec.rst and qapi/*.json, the part that fits this machine). One
// table; others add theirs to it, under names that start with x-ringfence-.

import type { Machine } from '../machine/index.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The part of a machine that the monitor drives. */
export type QmpMachine = Pick<
  Machine,
  | 'state'
  | 'pause'
  | 'resume'
  | 'reset'
  | 'powerdown'
  | 'quit'
  | 'on'
  | 'stats'
  | 'expectEvents'
  | 'explain'
  | 'debugger'
  | 'mmioGuard'
>;

export interface QmpArgument {
  readonly type: 'string' | 'number' | 'boolean' | 'object';
  readonly optional?: boolean;
}

export type QmpArguments = Readonly<Record<string, unknown>>;

export interface QmpCommand {
  /** By name; anything else that a client sends is refused before run(). */
  readonly arguments?: Readonly<Record<string, QmpArgument>>;
  /** The value of "return"; throw QmpError, or anything else for a GenericError. */
  run(machine: QmpMachine, args: QmpArguments): Json | undefined | Promise<Json | undefined>;
}

export type QmpTable = Readonly<Record<string, QmpCommand>>;

export type QmpErrorClass = 'GenericError' | 'CommandNotFound' | 'DeviceNotActive' | 'DeviceNotFound';

export class QmpError extends Error {
  readonly errorClass: QmpErrorClass;

  constructor(errorClass: QmpErrorClass, description: string) {
    super(description);
    this.name = 'QmpError';
    this.errorClass = errorClass;
  }
}

export const VERSION = { qemu: { major: 0, minor: 1, micro: 0 }, package: 'ringfence' } as const;

/** RunState in qapi/run-state.json. */
function runState(machine: QmpMachine): string {
  switch (machine.state) {
    case 'created':
      return 'prelaunch';
    case 'paused':
      return machine.stats().instructions === 0 ? 'prelaunch' : 'paused';
    case 'ended':
      return 'shutdown';
    case 'running':
      return 'running';
  }
}

export const QMP_COMMANDS: QmpTable = {
  'query-status': {
    run: (machine) => ({
      running: machine.state === 'running',
      singlestep: false,
      status: runState(machine),
    }),
  },
  stop: {
    async run(machine) {
      await machine.pause();
      return {};
    },
  },
  cont: {
    run(machine) {
      machine.resume();
      return {};
    },
  },
  system_powerdown: {
    run(machine) {
      machine.powerdown();
      return {};
    },
  },
  system_reset: {
    run(machine) {
      machine.reset();
      return {};
    },
  },
  /** The counters so far, as --stats writes them at the end. */
  'x-ringfence-stats': { run: (machine) => jsonOf(machine.stats()) },
  /** Private and shared pages, bounce pool, what devices were refused; kind 'none' where nothing is protected. */
  'x-ringfence-query-protection': {
    run: (machine) => jsonOf(machine.stats().protection ?? { kind: 'none' }),
  },
  /** The pages at which the guest lets the VMM emulate devices, with the memory attributes by which it maps them. */
  'x-ringfence-query-mmio-guard': {
    run(machine) {
      const { pages, ...rest } = machine.mmioGuard();
      const named = pages.map(({ address, attribute }) =>
        attribute === undefined ? { address } : { address, attribute, type: memoryType(attribute) },
      );
      return jsonOf({ ...rest, pages: named });
    },
  },
  /** Who may do what with the page of a guest-physical address, by which rule. */
  'x-ringfence-explain': {
    arguments: { address: { type: 'number' } },
    run(machine, { address }) {
      try {
        return jsonOf(machine.explain(Number(address)));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new QmpError('GenericError', `Parameter 'address': ${error.message}`);
      }
    },
  },
  'query-version': { run: () => VERSION },
  'query-name': { run: () => ({}) },
  'query-kvm': { run: () => ({ enabled: false, present: false }) },
};

/** A byte of MAIR_EL1 (Arm ARM, MAIR_ELx), by name where it has a usual one. */
const MEMORY_TYPES: Readonly<Record<number, string>> = {
  0: 'Device-nGnRnE',
  4: 'Device-nGnRE',
  8: 'Device-nGRE',
  12: 'Device-GRE',
  68: 'Normal Non-cacheable',
  187: 'Normal Write-Through',
  240: 'Normal Tagged',
  255: 'Normal Write-Back',
};
const memoryType = (attribute: number): string => MEMORY_TYPES[attribute] ?? `0x${attribute.toString(16)}`;

/** Plain data, without what is undefined. */
const jsonOf = (value: object): Json => JSON.parse(JSON.stringify(value)) as Json;

/** Throws QmpError where `args` are not what `command` takes. */
export function checkArguments(command: QmpCommand, args: QmpArguments): void {
  const known = command.arguments ?? {};
  for (const name of Object.keys(args)) {
    if (!Object.hasOwn(known, name)) throw new QmpError('GenericError', `Parameter '${name}' is unexpected`);
  }
  for (const [name, { type, optional }] of Object.entries(known)) {
    const value = args[name];
    if (value === undefined) {
      if (!optional) throw new QmpError('GenericError', `Parameter '${name}' is missing`);
    } else if (typeof value !== type || value === null) {
      throw new QmpError('GenericError', `Invalid parameter type for '${name}', expected: ${type}`);
    }
  }
}
