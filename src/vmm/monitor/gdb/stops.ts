// Breakpoints, watchpoints and run control of all vCPUs for one debugger: what stands where, who steps, who is held,
// and how a stop is told (GDB manual, E.3). The machine stops and goes on as a whole.

import { type GuestDebug, NO_DEBUG, type VcpuExit, type Watch } from '../../../hypervisor/index.ts';
import type { MachineDebugger } from '../../machine/index.ts';

/** Each of a kind; every instruction on a page with breakpoints is compared with all of them. */
const MAX_POINTS = 256;
const MAX_WATCHED_BYTES = 1 << 16;

export const SIGINT = 2;
export const SIGTRAP = 5;

export interface Stop {
  readonly signal: number;
  readonly vcpu: number;
  readonly exit?: VcpuExit & { readonly reason: 'debug' };
}

export type Action = 'continue' | 'step' | 'hold';

const WATCH_KINDS: Readonly<Record<number, Pick<Watch, 'read' | 'write'>>> = {
  2: { read: false, write: true },
  3: { read: true, write: false },
  4: { read: true, write: true },
};

export class Points {
  private readonly software = new Set<bigint>();
  private readonly hardware = new Set<bigint>();
  private readonly watches = new Map<string, Watch>();

  get breakpoints(): readonly bigint[] {
    return [...new Set([...this.software, ...this.hardware])];
  }

  get watchpoints(): readonly Watch[] {
    return [...this.watches.values()];
  }

  /** Z and z with their type; an A64 instruction has 4 bytes. Undefined: no such type; false: refused. */
  change(add: boolean, type: number, address: bigint, bytes: number): boolean | undefined {
    if (type === 0 || type === 1) {
      const set = type === 0 ? this.software : this.hardware;
      if (bytes !== 4 || address % 4n !== 0n) return false;
      if (add && !set.has(address) && set.size >= MAX_POINTS) return false;
      if (add) set.add(address);
      else set.delete(address);
      return true;
    }
    const kind = WATCH_KINDS[type];
    if (!kind) return undefined;
    const key = `${type},${address},${bytes}`;
    if (!add) this.watches.delete(key);
    else {
      if (bytes < 1 || bytes > MAX_WATCHED_BYTES) return false;
      if (!this.watches.has(key) && this.watches.size >= MAX_POINTS) return false;
      this.watches.set(key, { address, bytes, ...kind });
    }
    return true;
  }

  clear(): void {
    this.software.clear();
    this.hardware.clear();
    this.watches.clear();
  }

  /** The part of a stop reply that says why; some of it only where the client has asked for it. */
  why(stop: Stop, told: { readonly swbreak: boolean; readonly hwbreak: boolean }): string {
    const { exit } = stop;
    if (exit?.kind === 'watchpoint') return this.whyWatch(exit.address);
    if (exit?.kind !== 'breakpoint') return '';
    if (this.software.has(exit.address)) return told.swbreak ? 'swbreak:;' : '';
    return told.hwbreak && this.hardware.has(exit.address) ? 'hwbreak:;' : '';
  }

  private whyWatch(address: bigint): string {
    const watch = this.watchpoints.find((w) => address >= w.address && address < w.address + BigInt(w.bytes));
    if (!watch) return '';
    const name = watch.read && watch.write ? 'awatch' : watch.read ? 'rwatch' : 'watch';
    return `${name}:${address.toString(16)};`;
  }
}

/** Tells every vCPU what it shall do. Nothing is told to a guest that lets no debugger in. */
export function apply(target: MachineDebugger, points: Points, action: (vcpu: number) => Action): void {
  const { breakpoints, watchpoints } = points;
  target.vcpus.forEach((vcpu, index) => {
    const wanted = action(index);
    vcpu.hold(wanted === 'hold');
    if (!target.isOpen) return;
    const debug: GuestDebug = {
      softwareBreakpoints: false,
      step: wanted === 'step',
      breakpoints,
      watchpoints,
    };
    vcpu.setDebug(debug.step || breakpoints.length + watchpoints.length > 0 ? debug : NO_DEBUG);
  });
}
