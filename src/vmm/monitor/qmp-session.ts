// One QMP client (QEMU docs/interop/qmp-spec.rst): greeting, negotiation, commands in order, events. Bytes in,
// text out; it knows no sockets. Nothing that a client sends can do more than get an error.

import { DisposableStore } from '../../lib/index.ts';
import type { MachineEnd } from '../machine/index.ts';
import { JsonStream } from './json-stream.ts';
import {
  checkArguments,
  type Json,
  QmpError,
  type QmpMachine,
  type QmpTable,
  VERSION,
} from './qmp-commands.ts';

const REQUEST_MEMBERS = ['execute', 'arguments', 'id'];

export class QmpSession {
  private readonly machine: QmpMachine;
  private readonly table: QmpTable;
  private readonly send: (text: string) => void;
  private readonly stream = new JsonStream();
  private readonly owned = new DisposableStore();
  private negotiated = false;
  private paused: boolean;

  /** `send` gets whole lines. */
  constructor(machine: QmpMachine, table: QmpTable, send: (text: string) => void) {
    this.machine = machine;
    this.table = table;
    this.send = send;
    this.paused = machine.state !== 'running';
    this.reply({ QMP: { version: VERSION, capabilities: [] } });
    this.forwardEvents();
  }

  /** Serves everything that `bytes` completes; settles when that is done. */
  async receive(bytes: Uint8Array): Promise<void> {
    for (const piece of this.stream.push(bytes)) {
      if ('error' in piece)
        this.fail(undefined, new QmpError('GenericError', `JSON parse error, ${piece.error}`));
      else await this.serve(piece.value);
    }
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async serve(request: unknown): Promise<void> {
    let id: Json | undefined;
    try {
      const members = asObject(request, 'QMP input must be a JSON object');
      id = members.id as Json | undefined;
      const unexpected = Object.keys(members).find((name) => !REQUEST_MEMBERS.includes(name));
      if (unexpected !== undefined) throw generic(`QMP input member '${unexpected}' is unexpected`);
      const { execute } = members;
      if (execute === undefined) throw generic("QMP input lacks member 'execute'");
      if (typeof execute !== 'string') throw generic("QMP input member 'execute' must be a string");
      const args = asObject(members.arguments ?? {}, "QMP input member 'arguments' must be an object");
      const value = await this.execute(execute, args);
      this.reply({ return: value ?? {}, ...(id !== undefined && { id }) });
      if (execute === 'quit') this.machine.quit();
    } catch (error) {
      this.fail(id, error);
    }
  }

  private async execute(name: string, args: Readonly<Record<string, unknown>>): Promise<Json | undefined> {
    if (name === 'qmp_capabilities') return this.negotiate(args);
    if (!this.negotiated) {
      throw new QmpError('CommandNotFound', "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (name === 'query-commands') return this.names().map((known) => ({ name: known }));
    if (name === 'quit') {
      checkArguments({ run: () => ({}) }, args);
      return {};
    }
    const command = Object.hasOwn(this.table, name) ? this.table[name] : undefined;
    if (!command) throw new QmpError('CommandNotFound', `The command ${name} has not been found`);
    checkArguments(command, args);
    return await command.run(this.machine, args);
  }

  private negotiate(args: Readonly<Record<string, unknown>>): Json {
    if (this.negotiated) {
      throw new QmpError('CommandNotFound', 'Capabilities negotiation is already complete, command ignored');
    }
    const { enable } = args;
    if (enable !== undefined && (!Array.isArray(enable) || enable.length > 0)) {
      throw generic('Capability list must be empty: none is on offer');
    }
    this.negotiated = true;
    return {};
  }

  private names(): string[] {
    return ['qmp_capabilities', 'query-commands', 'quit', ...Object.keys(this.table)];
  }

  private forwardEvents(): void {
    this.owned.add(this.machine.on('powerdown', () => this.event('POWERDOWN', {})));
    this.owned.add(
      this.machine.on('reset', ({ cause }) => {
        const guest = cause === 'guest';
        this.event('RESET', { guest, reason: guest ? 'guest-reset' : 'host-qmp-system-reset' });
      }),
    );
    this.owned.add(
      this.machine.on('state', (state) => {
        if (state === 'paused' && !this.paused) this.event('STOP', {});
        if (state === 'running' && this.paused) this.event('RESUME', {});
        this.paused = state === 'paused';
      }),
    );
    this.owned.add(this.machine.on('end', (end) => this.ended(end)));
  }

  private ended(end: MachineEnd): void {
    if (end.reason === 'crash') this.event('GUEST_PANICKED', { action: 'poweroff' });
    this.event('SHUTDOWN', {
      guest: end.reason !== 'quit' && end.reason !== 'failure',
      reason: SHUTDOWN_CAUSE[end.reason],
    });
  }

  private event(event: string, data: Json): void {
    if (!this.negotiated) return;
    const now = Date.now();
    const timestamp = { seconds: Math.floor(now / 1000), microseconds: (now % 1000) * 1000 };
    this.reply({ timestamp, event, data });
  }

  private fail(id: Json | undefined, error: unknown): void {
    const known =
      error instanceof QmpError ? error : generic(error instanceof Error ? error.message : String(error));
    this.reply({ error: { class: known.errorClass, desc: known.message }, ...(id !== undefined && { id }) });
  }

  private reply(message: Json): void {
    this.send(`${JSON.stringify(message)}\r\n`);
  }
}

/** ShutdownCause in qapi/run-state.json. */
const SHUTDOWN_CAUSE: Record<MachineEnd['reason'], string> = {
  poweroff: 'guest-shutdown',
  halt: 'guest-shutdown',
  reset: 'guest-reset',
  crash: 'guest-panic',
  quit: 'host-qmp-quit',
  failure: 'host-error',
};

const generic = (description: string): QmpError => new QmpError('GenericError', description);

function asObject(value: unknown, complaint: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw generic(complaint);
  return value as Record<string, unknown>;
}
