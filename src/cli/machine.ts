// Makes the machine that a command line describes, and what hangs on it: network card, monitor.

import { access, constants } from 'node:fs/promises';
import { type Disposable, DisposableStore, type Log } from '../lib/index.ts';
import { streamNet } from '../vmm/devices/virtio/node.ts';
import {
  GdbServer,
  Machine,
  type MachineOptions,
  QmpServer,
  VirtioNet,
  VirtioRng,
  type VirtioSlot,
} from '../vmm/index.ts';
import type { CliIo } from './command.ts';
import { CliError, reasonOf, usageError } from './exit-status.ts';
import type { Guest } from './guest.ts';
import type { RunSettings } from './run-settings.ts';

/** A machine with everything that must be let go with it. */
export interface OwnedMachine extends Disposable {
  readonly machine: Machine;
}

export async function createMachine(settings: RunSettings, guest: Guest, io: CliIo): Promise<OwnedMachine> {
  const owned = new DisposableStore();
  const log = logTo(io.stderr);
  try {
    const machine = owned.add(await Machine.create(await machineOptions(settings, guest, owned, log)));
    if (settings.netSocket !== undefined) owned.add(machine.expectEvents());
    if (settings.gdb) owned.add(await GdbServer.open(machine, settings.gdb));
    if (settings.qmp) owned.add(await QmpServer.open(machine, settings.qmp));
    return { machine, dispose: () => owned.dispose() };
  } catch (error) {
    owned.dispose();
    throw withOptionName(error);
  }
}

export async function machineOptions(
  settings: RunSettings,
  guest: Guest,
  owned: DisposableStore,
  log: Log,
): Promise<MachineOptions> {
  const virtio: VirtioSlot[] = [{ create: (env) => new VirtioRng({}, env) }];
  if (settings.netSocket !== undefined) {
    const path = settings.netSocket;
    await access(path, constants.W_OK).catch((error: unknown) => {
      throw usageError(`--net stream:${path}: ${reasonOf(error)}; start the other end first`);
    });
    const backend = owned.add(streamNet({ address: { path }, log }));
    virtio.push({ create: (env) => new VirtioNet({ backend }, env) });
  }
  return {
    kernel: guest.kernel,
    ...(guest.initrd === undefined ? {} : { initrd: guest.initrd }),
    append: guest.append,
    memory: settings.memory,
    smp: settings.smp,
    gic: settings.gic,
    cpu: settings.cpu,
    protect: settings.protect,
    bouncePool: settings.bouncePool,
    engine: settings.engine,
    drives: settings.drives.map(({ file, readOnly }) => ({ source: file, readOnly })),
    virtio,
    clock: settings.clock,
    paused: settings.paused,
    onReset: settings.onReset,
    // Whoever opens a monitor may ask what a page went through.
    history: settings.qmp !== undefined,
    profile: settings.profile !== undefined,
    log,
  };
}

/** Options that the command line reserves and this version cannot honour are refused, never ignored. */
export function refuseWhatIsMissing(settings: RunSettings): void {
  const asked: readonly (readonly [boolean, string])[] = [
    [settings.protect === 'deferred', `--protect ${settings.protect}`],
    [settings.incoming !== undefined, '--incoming'],
  ];
  for (const [present, option] of asked) {
    if (present) throw usageError(`${option}: not in this version yet; leave it out`);
  }
}

/** Debug and information stay unsaid: stderr is for what a person should act upon. */
export function logTo(stderr: NodeJS.WriteStream): Log {
  return (level, source, message) => {
    if (level !== 'warn' && level !== 'error') return;
    stderr.write(`ringfence: ${source}: ${message}\n`);
  };
}

/** The library names its options plainly; a person typed them with dashes. */
export function withOptionName(error: unknown): unknown {
  if (!(error instanceof Error) || !('exitStatus' in error) || error instanceof CliError) return error;
  const named = /^(memory|smp|kernel|initrd|drive|net|qmp|gdb|cpu|protect|bounce-pool|engine)[ :]/.test(
    error.message,
  );
  return new CliError(Number(error.exitStatus), named ? `--${error.message}` : error.message);
}
