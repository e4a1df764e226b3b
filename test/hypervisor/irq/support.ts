// A GICv3 with its wires and memory within reach of a test.

import { type ExternalSystemRegisters, GicV3, type GicV3Options } from '../../../src/hypervisor/irq/index.ts';
import type { MemoryPort, Refusal } from '../../../src/hypervisor/ledger/index.ts';

export const key = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;

export const PMR = key(3, 0, 4, 6, 0);
export const IAR0 = key(3, 0, 12, 8, 0);
export const EOIR0 = key(3, 0, 12, 8, 1);
export const HPPIR0 = key(3, 0, 12, 8, 2);
export const BPR0 = key(3, 0, 12, 8, 3);
export const AP0R0 = key(3, 0, 12, 8, 4);
export const AP0R1 = key(3, 0, 12, 8, 5);
export const AP1R0 = key(3, 0, 12, 9, 0);
export const DIR = key(3, 0, 12, 11, 1);
export const RPR = key(3, 0, 12, 11, 3);
export const SGI1R = key(3, 0, 12, 11, 5);
export const ASGI1R = key(3, 0, 12, 11, 6);
export const SGI0R = key(3, 0, 12, 11, 7);
export const IAR1 = key(3, 0, 12, 12, 0);
export const EOIR1 = key(3, 0, 12, 12, 1);
export const HPPIR1 = key(3, 0, 12, 12, 2);
export const BPR1 = key(3, 0, 12, 12, 3);
export const CTLR = key(3, 0, 12, 12, 4);
export const SRE = key(3, 0, 12, 12, 5);
export const IGRPEN0 = key(3, 0, 12, 12, 6);
export const IGRPEN1 = key(3, 0, 12, 12, 7);

export const RAM_BASE = 0x40000000;

/** Guest memory from RAM_BASE on; anything else is refused. */
export class TestMemory implements MemoryPort {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  reads = 0;

  constructor(size = 8 << 20) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  read(address: number, into: Uint8Array): Refusal | undefined {
    this.reads++;
    const at = address - RAM_BASE;
    if (at < 0 || at + into.length > this.bytes.length)
      return { rule: 'unmapped', reason: 'no slot', address };
    into.set(this.bytes.subarray(at, at + into.length));
    return undefined;
  }

  write(address: number, from: Uint8Array): Refusal | undefined {
    const at = address - RAM_BASE;
    if (at < 0 || at + from.length > this.bytes.length)
      return { rule: 'unmapped', reason: 'no slot', address };
    this.bytes.set(from, at);
    return undefined;
  }

  u64(address: number): bigint {
    return this.view.getBigUint64(address - RAM_BASE, true);
  }
}

export interface Bench {
  readonly gic: GicV3;
  readonly irq: boolean[];
  readonly fiq: boolean[];
  /** Calls of the lines callback so far. */
  edges: number;
  /** Reads and writes `size` bytes at a guest-physical address. */
  read(address: number, size?: number, vcpu?: number): bigint;
  write(address: number, value: bigint | number, size?: number, vcpu?: number): void;
  icc(vcpu: number): ExternalSystemRegisters;
}

export const GICD = 0x08000000;
export const GICR = 0x080a0000;
export const SGI_FRAME = 0x10000;

export function bench(options: Partial<GicV3Options> = {}): Bench {
  const irq: boolean[] = [];
  const fiq: boolean[] = [];
  const gic = new GicV3({
    vcpus: 2,
    spis: 64,
    ...options,
    lines: (vcpu, i, f) => {
      irq[vcpu] = i;
      fiq[vcpu] = f;
      b.edges++;
    },
  });
  const windowOf = (address: number) => {
    const found = gic.windows.find((w) => address >= w.base && address < w.base + w.size);
    if (!found) throw new Error(`no window at ${address.toString(16)}`);
    return found;
  };
  for (let vcpu = 0; vcpu < (options.vcpus ?? 2); vcpu++) irq[vcpu] = fiq[vcpu] = false;
  const b: Bench = {
    gic,
    irq,
    fiq,
    edges: 0,
    read: (address, size = 4, vcpu = 0) => {
      const w = windowOf(address);
      return w.read(vcpu, address - w.base, size);
    },
    write: (address, value, size = 4, vcpu = 0) => {
      const w = windowOf(address);
      w.write(vcpu, address - w.base, size, BigInt(value));
    },
    icc: (vcpu) => {
      const registers = gic.systemRegisters(vcpu);
      if (!registers) throw new Error('no system registers');
      return registers;
    },
  };
  return b;
}

/** Both groups on in the distributor and Group 1 on at every CPU interface, as Linux leaves them. */
export function enabledBench(options: Partial<GicV3Options> = {}): Bench {
  const b = bench(options);
  b.write(GICD, 0x13);
  for (let vcpu = 0; vcpu < (options.vcpus ?? 2); vcpu++) {
    b.icc(vcpu).write(PMR, 0xf0n);
    b.icc(vcpu).write(IGRPEN1, 1n);
  }
  return b;
}

/** Enables an SPI with a priority, routed to a vCPU by affinity. */
export function enableSpi(b: Bench, intid: number, priority: number, affinity = 0): void {
  b.write(GICD + 0x400 + intid, priority, 1);
  b.write(GICD + 0x6000 + 8 * intid, affinity, 8);
  b.write(GICD + 0x100 + (intid >> 5) * 4, 2 ** (intid & 31));
}
