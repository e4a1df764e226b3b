// Self-hosted debug (Arm ARM D2): software step, breakpoints and watchpoints; and the same for a debugger outside
// the guest, whose hits are exits and whom the guest cannot see. Pages with a breakpoint run one instruction at a
// time, all others at full speed.

import type { CpuState } from './state.ts';
import { BREAKPOINTS, slotOf, WATCHPOINTS } from './sysregs/index.ts';

const MDSCR = slotOf('MDSCR_EL1');
const OSLSR = slotOf('OSLSR_EL1');
const CONTEXTIDR = slotOf('CONTEXTIDR_EL1');
const BVR = Array.from({ length: BREAKPOINTS }, (_, n) => slotOf(`DBGBVR${n}_EL1`));
const BCR = Array.from({ length: BREAKPOINTS }, (_, n) => slotOf(`DBGBCR${n}_EL1`));
const WVR = Array.from({ length: WATCHPOINTS }, (_, n) => slotOf(`DBGWVR${n}_EL1`));
const WCR = Array.from({ length: WATCHPOINTS }, (_, n) => slotOf(`DBGWCR${n}_EL1`));
/** The last two breakpoints compare context identifiers (ID_AA64DFR0_EL1.CTX_CMPs = 1). */
const FIRST_CONTEXT = BREAKPOINTS - 2;

const MDSCR_SS = 1 << 0;
const MDSCR_KDE = 1 << 13;
const MDSCR_MDE = 1 << 15;

const PAGE = 4096n;
const pageOf = (address: bigint): bigint => address & ~(PAGE - 1n);
/** DBGBVR and DBGWVR hold bits 48:2, sign-extended. */
const comparable = (address: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(49, address));

/** A data range that an outside debugger watches. */
export interface Watch {
  readonly address: bigint;
  readonly bytes: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** What an outside debugger wants. */
export interface GuestDebug {
  /** BRK exits instead of raising an exception. */
  readonly softwareBreakpoints: boolean;
  /** Exit after each instruction. */
  readonly step: boolean;
  readonly breakpoints: readonly bigint[];
  readonly watchpoints: readonly Watch[];
}

export const NO_DEBUG: GuestDebug = {
  softwareBreakpoints: false,
  step: false,
  breakpoints: [],
  watchpoints: [],
};

export class Debug {
  guest: GuestDebug = NO_DEBUG;
  /** Some watchpoint is enabled in some way, so pages must be asked about. */
  any = false;
  private readonly state: CpuState;
  private breakpointPages: ReadonlySet<bigint> = new Set();
  private contextBreakpoints = false;

  constructor(state: CpuState) {
    this.state = state;
  }

  /** After a debug register or the guest debug setting changed. Soft TLBs must be dropped by the caller. */
  reconfigure(): void {
    const pages = new Set(this.guest.breakpoints.map(pageOf));
    this.contextBreakpoints = false;
    this.any = this.guest.watchpoints.length > 0;
    if (this.monitored) {
      for (let n = 0; n < BREAKPOINTS; n++) {
        const control = this.state.sysregLow(BCR[n]);
        if ((control & 1) === 0) continue;
        const type = (control >>> 20) & 15;
        if (type < 2) pages.add(pageOf(comparable(this.state.sysreg(BVR[n]))));
        else if (type === 2) this.contextBreakpoints = true;
      }
      for (let n = 0; n < WATCHPOINTS; n++) if (this.state.sysregLow(WCR[n]) & 1) this.any = true;
    }
    this.breakpointPages = pages;
  }

  private get monitored(): boolean {
    return (this.state.sysregLow(MDSCR) & MDSCR_MDE) !== 0 && !this.locked;
  }

  private get locked(): boolean {
    return (this.state.sysregLow(OSLSR) & 2) !== 0;
  }

  /** AArch64.GenerateDebugExceptionsFrom: EL1 is always the target. */
  private enabledFrom(el: number, masked: boolean): boolean {
    if (this.locked) return false;
    return el === 0 || ((this.state.sysregLow(MDSCR) & MDSCR_KDE) !== 0 && !masked);
  }

  private get enabled(): boolean {
    return this.enabledFrom(this.state.el, (this.state.daif & 8) !== 0);
  }

  /** Software step is active: the next instruction either steps or raises the exception. */
  get stepActive(): boolean {
    return (this.state.sysregLow(MDSCR) & MDSCR_SS) !== 0 && this.enabled;
  }

  /** Whether something may happen between instructions. */
  get isActive(): boolean {
    return this.stepActive || this.anyCode || this.guest.step;
  }

  stepAfterReturn(el: number, masked: boolean, ss: number): number {
    if ((this.state.sysregLow(MDSCR) & MDSCR_SS) === 0 || this.enabled) return 0;
    return this.enabledFrom(el, masked) ? ss : 0;
  }

  /** Some page of code must run one instruction at a time. */
  get anyCode(): boolean {
    return this.contextBreakpoints || this.breakpointPages.size > 0;
  }

  /** Code on the page of an address must. */
  watchesCode(low: number, high: number): boolean {
    return (
      this.contextBreakpoints ||
      this.breakpointPages.has(pageOf(comparable((BigInt(high) << 32n) | BigInt(low))))
    );
  }

  /** An outside debugger's breakpoint is at `pc`. */
  guestBreakpoint(pc: bigint): boolean {
    return this.guest.breakpoints.includes(pc);
  }

  /** A breakpoint of the guest's own matches the instruction at `pc`. */
  breakpoint(pc: bigint): boolean {
    if (!this.monitored || !this.enabled) return false;
    for (let n = 0; n < BREAKPOINTS; n++) if (this.breakpointMatches(n, pc)) return true;
    return false;
  }

  private breakpointMatches(n: number, pc: bigint): boolean {
    const control = this.state.sysregLow(BCR[n]);
    if ((control & 1) === 0 || !this.privilegeMatches(control >>> 1, this.state.el)) return false;
    const type = (control >>> 20) & 15;
    if (type === 2) return n >= FIRST_CONTEXT && this.contextMatches(n);
    if (type > 1 || comparable(this.state.sysreg(BVR[n]) & ~3n) !== comparable(pc)) return false;
    return type === 0 || this.linked(control);
  }

  /** PMC or PAC, bits 1:0 of `field`: bit 0 EL1, bit 1 EL0. */
  private privilegeMatches(field: number, el: number): boolean {
    return (field & (el === 0 ? 2 : 1)) !== 0;
  }

  private contextMatches(n: number): boolean {
    return this.state.sysregLow(BVR[n]) === this.state.sysregLow(CONTEXTIDR);
  }

  /** The context breakpoint that LBN names matches too. */
  private linked(control: number): boolean {
    const n = (control >>> 16) & 15;
    if (n < FIRST_CONTEXT || n >= BREAKPOINTS) return false;
    const other = this.state.sysregLow(BCR[n]);
    return (other & 1) !== 0 && ((other >>> 20) & 15) === 3 && this.contextMatches(n);
  }

  /** Whether data accesses to the page of an address must be looked at one by one. */
  watches(low: number, high: number): boolean {
    const page = pageOf(comparable((BigInt(high) << 32n) | BigInt(low)));
    for (const w of this.guest.watchpoints) {
      if (pageOf(comparable(w.address)) <= page && page < comparable(w.address) + BigInt(w.bytes))
        return true;
    }
    if (!this.monitored) return false;
    for (let n = 0; n < WATCHPOINTS; n++) {
      const control = this.state.sysregLow(WCR[n]);
      if ((control & 1) === 0) continue;
      const { start, bytes } = this.watchedRange(n, control);
      if (pageOf(start) <= page && page < start + bytes) return true;
    }
    return false;
  }

  private watchedRange(n: number, control: number): { start: bigint; bytes: bigint } {
    const mask = (control >>> 24) & 31;
    const bytes = mask > 2 ? 1n << BigInt(mask) : 8n;
    return { start: comparable(this.state.sysreg(WVR[n])) & ~(bytes - 1n), bytes };
  }

  /** The first watched byte that an access touches, for an outside debugger; undefined where none is. */
  guestWatchpoint(address: bigint, bytes: number, write: boolean): bigint | undefined {
    const from = comparable(address);
    for (const w of this.guest.watchpoints) {
      const start = comparable(w.address);
      const touches = from < start + BigInt(w.bytes) && start < from + BigInt(bytes);
      if (!touches || !(write ? w.write : w.read)) continue;
      if (start < from) return from;
      return start;
    }
    return undefined;
  }

  /** Whether an access at privilege `el` hits a watchpoint of the guest's own. */
  watchpoint(address: bigint, bytes: number, write: boolean, el: number): boolean {
    if (!this.monitored || !this.enabled) return false;
    const from = comparable(address);
    for (let n = 0; n < WATCHPOINTS; n++) {
      const control = this.state.sysregLow(WCR[n]);
      if ((control & 1) === 0 || !this.privilegeMatches(control >>> 1, el)) continue;
      if (((control >>> 3) & (write ? 2 : 1)) === 0) continue;
      if (control & (1 << 20) && !this.linked(control)) continue;
      if (this.touches(n, control, from, bytes)) return true;
    }
    return false;
  }

  private touches(n: number, control: number, from: bigint, bytes: number): boolean {
    const { start, bytes: span } = this.watchedRange(n, control);
    const end = from + BigInt(bytes);
    if (from >= start + span || end <= start) return false;
    if (span > 8n) return true;
    const select = (control >>> 5) & 0xff;
    for (let byte = 0; byte < 8; byte++) {
      const at = start + BigInt(byte);
      if ((select & (1 << byte)) !== 0 && at >= from && at < end) return true;
    }
    return false;
  }
}
