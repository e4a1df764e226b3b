// One debugger (GDB manual, appendix E): packets in, replies out, all-stop with vCPUs as threads 1, 2, ... It knows no
// sockets. Attaching stops the machine; detaching, or going away, takes all breakpoints out and lets it go on if it
// ran before. Nothing that a client sends can do more than get an error.

import { DisposableStore, ERRNO, Errno } from '../../../lib/index.ts';
import type { Machine, MachineEnd, VcpuDebug } from '../../machine/index.ts';
import { type CommandContext, findCommand, threadId } from './commands.ts';
import { PROCESS } from './host-io.ts';
import { frame, PacketReader } from './packets.ts';
import { type Action, apply, Points, SIGINT, SIGTRAP, type Stop } from './stops.ts';

/** The part of a machine that a debugger drives. */
export type GdbMachine = Pick<
  Machine,
  'state' | 'pause' | 'resume' | 'reset' | 'quit' | 'on' | 'debugger' | 'explain' | 'expectEvents'
>;

const ACK = Uint8Array.of(0x2b);
const NACK = Uint8Array.of(0x2d);

/** Error replies carry a number, whose meaning nobody has fixed; we send Linux's. */
const errorReply = (number: number): string => `E${number.toString(16).padStart(2, '0')}`;

export class GdbSession implements CommandContext {
  readonly machine: GdbMachine;
  readonly points = new Points();
  readonly client = { swbreak: false, hwbreak: false, multiprocess: false };
  /** Threads chosen with Hg and Hc, as vCPU indices. */
  readonly chosen = { general: 0, resume: 0 };
  acknowledges = true;
  private readonly send: (bytes: Uint8Array) => void;
  private readonly reader = new PacketReader();
  private readonly owned = new DisposableStore();
  private readonly ranBefore: boolean;
  private actions: readonly Action[] = [];
  /** The client waits for a stop reply. */
  private isResumed = false;
  private hasEverResumed = false;
  private isDetached = false;
  private lastSent: Uint8Array | undefined;
  private lastStop: Stop = { signal: SIGTRAP, vcpu: 0 };
  private pending: Stop | undefined;
  private end: MachineEnd | undefined;

  /** `send` gets whole packets. */
  constructor(machine: GdbMachine, send: (bytes: Uint8Array) => void) {
    this.machine = machine;
    this.send = send;
    this.ranBefore = machine.state === 'running';
    this.follow();
    void machine.pause();
  }

  /** Serves everything that `bytes` completes. */
  receive(bytes: Uint8Array): void {
    for (const input of this.reader.push(bytes)) {
      if (this.isDetached) return;
      switch (input.kind) {
        case 'packet':
          if (this.acknowledges) this.send(ACK);
          this.serve(input.payload);
          break;
        case 'damaged':
          if (this.acknowledges) this.send(NACK);
          break;
        case 'interrupt':
          if (this.isResumed) void this.machine.pause();
          break;
        case 'resend':
          if (this.acknowledges && this.lastSent) this.send(this.lastSent);
          break;
      }
    }
  }

  /** The client is gone. */
  dispose(): void {
    this.owned.dispose();
    if (!this.isDetached) this.detach();
  }

  // What commands use.

  get vcpu(): VcpuDebug {
    return this.vcpus[this.chosen.general] ?? this.vcpus[0];
  }

  get vcpus(): readonly VcpuDebug[] {
    return this.machine.debugger.vcpus;
  }

  get stoppedVcpu(): number {
    return this.lastStop.vcpu;
  }

  /** Lets the machine go, each vCPU as `actions` say; the reply comes when it stops. */
  resume(actions: readonly Action[]): void {
    this.actions = actions;
    this.isResumed = true;
    this.hasEverResumed = true;
    this.pending = undefined;
    this.arm();
    this.machine.resume();
  }

  /** What stopped the machine, as answer to a resumption or to `?`. */
  stopReply(): string {
    if (this.end) {
      const process = this.client.multiprocess ? `;process:${PROCESS}` : '';
      return `W${this.end.status.toString(16).padStart(2, '0')}${process}`;
    }
    const { signal, vcpu } = this.lastStop;
    const why = this.points.why(this.lastStop, this.client);
    return `T${signal.toString(16).padStart(2, '0')}${why}thread:${threadId(vcpu, this.client)};`;
  }

  /** Breakpoints go, and the machine goes on if it ran before. */
  detach(): void {
    this.isDetached = true;
    this.owned.dispose();
    this.points.clear();
    this.actions = [];
    if (this.end) return;
    this.arm();
    if (this.ranBefore || this.hasEverResumed) this.machine.resume();
  }

  /** To the vCPUs that there are now. */
  arm(): void {
    apply(this.machine.debugger, this.points, (vcpu) => this.actions[vcpu] ?? 'continue');
  }

  private serve(payload: string): void {
    const reply = this.answer(payload);
    if (reply !== undefined) this.reply(reply);
  }

  private answer(payload: string): string | undefined {
    const command = findCommand(payload);
    if (!command) return '';
    if (this.isResumed && !command.whileRunning) return errorReply(ERRNO.EBUSY);
    try {
      return command.run(this, payload.slice(command.name.length));
    } catch (error) {
      // The vCPU or its memory refused.
      if (error instanceof Errno) return errorReply(error.number);
      throw error;
    }
  }

  private reply(payload: string): void {
    this.lastSent = frame(payload);
    this.send(this.lastSent);
  }

  private follow(): void {
    const { machine, owned } = this;
    owned.add(
      machine.on('debug', ({ vcpu, exit }) => {
        this.pending = { signal: SIGTRAP, vcpu, exit };
      }),
    );
    owned.add(
      machine.on('state', (state) => {
        if (state === 'paused') this.stopped();
        // Somebody else let it go, who does not know that a debugger has it. Not from within the change itself.
        else if (state === 'running' && !this.isResumed) queueMicrotask(() => void this.holdAgain());
      }),
    );
    // Other vCPUs: what was wanted of the old ones is wanted of them.
    owned.add(machine.on('reset', () => this.arm()));
    owned.add(
      machine.on('end', (end) => {
        this.end = end;
        if (this.isResumed) this.tellStop();
      }),
    );
  }

  private holdAgain(): Promise<void> | undefined {
    return this.isResumed || this.isDetached ? undefined : this.machine.pause();
  }

  private stopped(): void {
    if (!this.isResumed) return;
    this.lastStop = this.pending ?? { signal: SIGINT, vcpu: this.lastStop.vcpu };
    this.chosen.general = this.lastStop.vcpu;
    this.chosen.resume = this.lastStop.vcpu;
    this.actions = [];
    this.tellStop();
  }

  private tellStop(): void {
    this.isResumed = false;
    this.reply(this.stopReply());
  }
}
