// Performance monitors (Arm ARM D13, PMUv3): a cycle counter and event counters that count what this machine can
// see, retired instructions. One cycle is one instruction, so that counts are the same in every run.

import { CYCLE_COUNTER, EVENT_COUNTERS, type PmuRegisters } from './sysregs/index.ts';

const EVENT_INSTRUCTIONS = 0x08;
const EVENT_CYCLES = 0x11;
const EVENT_SOFTWARE = 0x00;

const PMCR_E = 1n;
const PMCR_P = 2n;
const PMCR_C = 4n;
const PMCR_LC = 1n << 6n;
/** E, D, X, DP, LC. */
const PMCR_WRITABLE = 0x79n;
/** Filters P and U and the event number. */
const TYPE_WRITABLE = 0xc000_03ffn;
const CYCLE_TYPE_WRITABLE = 0xc000_0000n;
const FILTER_EL1 = 1n << 31n;
const FILTER_EL0 = 1n << 30n;

const ALL = (1n << BigInt(CYCLE_COUNTER)) | ((1n << BigInt(EVENT_COUNTERS)) - 1n);
const bit = (n: number): bigint => 1n << BigInt(n);

/** Instructions that this vCPU has run, and the EL it runs at. */
export interface PmuSource {
  instructions(): number;
  readonly el: number;
}

export class Pmu implements PmuRegisters {
  private readonly source: PmuSource;
  private readonly line: (level: boolean) => void;
  private pmcr = 0n;
  private enables = 0n;
  private interruptEnables = 0n;
  private overflows = 0n;
  private readonly values: bigint[] = new Array(32).fill(0n);
  private readonly types: bigint[] = new Array(32).fill(0n);
  private last = 0;
  private level = false;

  constructor(source: PmuSource, line: (level: boolean) => void) {
    this.source = source;
    this.line = line;
  }

  reset(): void {
    this.pmcr = 0n;
    this.enables = 0n;
    this.interruptEnables = 0n;
    this.overflows = 0n;
    this.values.fill(0n);
    this.types.fill(0n);
    this.last = this.source.instructions();
    this.drive();
  }

  /** Whether anything counts, so that changes of EL must be seen. */
  get active(): boolean {
    return (this.pmcr & PMCR_E) !== 0n && this.enables !== 0n;
  }

  /** Brings the counters up to now; called before whatever they depend on changes. */
  update(): void {
    const now = this.source.instructions();
    const passed = BigInt(now - this.last);
    this.last = now;
    if (!this.active || passed <= 0n) return;
    const filter = this.source.el === 0 ? FILTER_EL0 : FILTER_EL1;
    for (let n = 0; n < EVENT_COUNTERS; n++) this.advance(n, passed, filter);
    this.advance(CYCLE_COUNTER, passed, filter);
    this.drive();
  }

  private advance(n: number, by: bigint, filter: bigint): void {
    if ((this.enables & bit(n)) === 0n || (this.types[n] & filter) !== 0n) return;
    const event = Number(this.types[n] & 0x3ffn);
    if (n !== CYCLE_COUNTER && event !== EVENT_INSTRUCTIONS && event !== EVENT_CYCLES) return;
    this.add(n, by);
  }

  /** Event counters are 32 bits; the cycle counter overflows at 32 or, with PMCR.LC, at 64. */
  private add(n: number, by: bigint): void {
    const before = this.values[n];
    const sum = before + by;
    const bits = n === CYCLE_COUNTER && (this.pmcr & PMCR_LC) !== 0n ? 64n : 32n;
    if (before >> bits !== sum >> bits) this.overflows |= bit(n);
    this.values[n] = BigInt.asUintN(n === CYCLE_COUNTER ? 64 : 32, sum);
  }

  /** Instructions until the next overflow that interrupts, or Infinity. */
  instructionsToOverflow(): number {
    let least = Infinity;
    if ((this.pmcr & PMCR_E) === 0n || (this.enables & this.interruptEnables) === 0n) return least;
    for (let n = 0; n < 32; n++) {
      if ((this.enables & this.interruptEnables & bit(n)) === 0n) continue;
      const wide = n === CYCLE_COUNTER && (this.pmcr & PMCR_LC) !== 0n;
      const left = wide ? (1n << 64n) - this.values[n] : (1n << 32n) - (this.values[n] & 0xffff_ffffn);
      least = Math.min(least, Number(left));
    }
    return least;
  }

  private drive(): void {
    const level = (this.pmcr & PMCR_E) !== 0n && (this.overflows & this.interruptEnables) !== 0n;
    if (level === this.level) return;
    this.level = level;
    this.line(level);
  }

  control(): bigint {
    return this.pmcr | (BigInt(EVENT_COUNTERS) << 11n);
  }
  setControl(value: bigint): void {
    this.update();
    if ((value & PMCR_P) !== 0n) this.values.fill(0n, 0, EVENT_COUNTERS);
    if ((value & PMCR_C) !== 0n) this.values[CYCLE_COUNTER] = 0n;
    this.pmcr = value & PMCR_WRITABLE;
    this.drive();
  }
  enabled(): bigint {
    return this.enables;
  }
  enable(mask: bigint): void {
    this.update();
    this.enables |= mask & ALL;
  }
  disable(mask: bigint): void {
    this.update();
    this.enables &= ~mask;
  }
  interrupts(): bigint {
    return this.interruptEnables;
  }
  enableInterrupts(mask: bigint): void {
    this.interruptEnables |= mask & ALL;
    this.drive();
  }
  disableInterrupts(mask: bigint): void {
    this.interruptEnables &= ~mask;
    this.drive();
  }
  overflow(): bigint {
    this.update();
    return this.overflows;
  }
  setOverflow(mask: bigint): void {
    this.overflows |= mask & ALL;
    this.drive();
  }
  clearOverflow(mask: bigint): void {
    this.overflows &= ~mask;
    this.drive();
  }
  softwareIncrement(mask: bigint): void {
    const filter = this.source.el === 0 ? FILTER_EL0 : FILTER_EL1;
    if ((this.pmcr & PMCR_E) === 0n) return;
    for (let n = 0; n < EVENT_COUNTERS; n++) {
      const counts = (mask & this.enables & bit(n)) !== 0n && (this.types[n] & filter) === 0n;
      if (counts && Number(this.types[n] & 0x3ffn) === EVENT_SOFTWARE) this.add(n, 1n);
    }
    this.drive();
  }
  /** Counters that do not exist read zero. */
  count(counter: number): bigint {
    this.update();
    return this.values[counter];
  }
  setCount(counter: number, value: bigint): void {
    if ((ALL & bit(counter)) === 0n) return;
    this.update();
    this.values[counter] = BigInt.asUintN(counter === CYCLE_COUNTER ? 64 : 32, value);
  }
  type(counter: number): bigint {
    return this.types[counter];
  }
  setType(counter: number, value: bigint): void {
    if ((ALL & bit(counter)) === 0n) return;
    this.update();
    this.types[counter] = value & (counter === CYCLE_COUNTER ? CYCLE_TYPE_WRITABLE : TYPE_WRITABLE);
  }
}
