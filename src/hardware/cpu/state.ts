// Typed access to one vCPU's registers, which live in linear memory where generated code works on them
// (layout.ts). It knows no rule: no side effect, no mask, no privilege.

import type { PhysicalMemory } from '../memory/index.ts';
import { SP, STATE, STATE_BYTES, XZR } from './layout.ts';

export const PSTATE_D = 8;
export const PSTATE_A = 4;
export const PSTATE_I = 2;
export const PSTATE_F = 1;

export class CpuState {
  /** Byte offset of the state in linear memory. */
  readonly base: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  /** base / 4: field f of u32 is u32[w + f / 4]; a u64's halves are there and one further. */
  readonly w: number;
  private readonly q: number;

  constructor(memory: PhysicalMemory, base: number) {
    this.base = base;
    this.u8 = memory.u8;
    this.u32 = memory.u32;
    this.u64 = memory.u64;
    this.w = base >>> 2;
    this.q = base >>> 3;
    this.clear();
  }

  /** All zero. */
  clear(): void {
    this.u8.fill(0, this.base, this.base + STATE_BYTES);
  }

  /** X0..X30; 31 reads zero. */
  x(n: number): bigint {
    return this.u64[this.q + STATE.x / 8 + n];
  }
  /** 31 discards. */
  setX(n: number, value: bigint): void {
    if (n !== XZR) this.u64[this.q + STATE.x / 8 + n] = value;
  }
  /** Low and high halves of Xn as unsigned numbers. */
  xLow(n: number): number {
    return this.u32[this.w + STATE.x / 4 + 2 * n];
  }
  xHigh(n: number): number {
    return this.u32[this.w + STATE.x / 4 + 2 * n + 1];
  }
  setXHalves(n: number, low: number, high: number): void {
    if (n === XZR) return;
    this.u32[this.w + STATE.x / 4 + 2 * n] = low;
    this.u32[this.w + STATE.x / 4 + 2 * n + 1] = high;
  }
  /** The current stack pointer; the other one is in its system register slot. */
  get sp(): bigint {
    return this.x(SP);
  }
  set sp(value: bigint) {
    this.u64[this.q + STATE.x / 8 + SP] = value;
  }

  /** A 128-bit vector register. */
  v(n: number): bigint {
    const at = this.q + STATE.v / 8 + 2 * n;
    return this.u64[at] | (this.u64[at + 1] << 64n);
  }
  setV(n: number, value: bigint): void {
    const at = this.q + STATE.v / 8 + 2 * n;
    this.u64[at] = value;
    this.u64[at + 1] = value >> 64n;
  }

  /** Storage of a system register, by slot. */
  sysreg(slot: number): bigint {
    return this.u64[this.q + STATE.sysregs / 8 + slot];
  }
  setSysreg(slot: number, value: bigint): void {
    this.u64[this.q + STATE.sysregs / 8 + slot] = value;
  }
  sysregLow(slot: number): number {
    return this.u32[this.w + STATE.sysregs / 4 + 2 * slot];
  }
  sysregHigh(slot: number): number {
    return this.u32[this.w + STATE.sysregs / 4 + 2 * slot + 1];
  }

  get pcLow(): number {
    return this.u32[this.w + STATE.pc / 4];
  }
  get pcHigh(): number {
    return this.u32[this.w + STATE.pc / 4 + 1];
  }
  get pc(): bigint {
    return this.u64[this.q + STATE.pc / 8];
  }
  set pc(value: bigint) {
    this.u64[this.q + STATE.pc / 8] = value;
  }
  get pcDelta(): bigint {
    return this.u64[this.q + STATE.pcDelta / 8];
  }
  set pcDelta(value: bigint) {
    this.u64[this.q + STATE.pcDelta / 8] = value;
  }
  get pcDeltaLow(): number {
    return this.u32[this.w + STATE.pcDelta / 4];
  }
  get pcDeltaHigh(): number {
    return this.u32[this.w + STATE.pcDelta / 4 + 1];
  }
  /** Address of the instruction that called a service. */
  get currentPc(): bigint {
    return BigInt.asUintN(64, this.pcDelta + BigInt(this.hpc));
  }

  get hpc(): number {
    return this.u32[this.w + STATE.hpc / 4];
  }
  set hpc(value: number) {
    this.u32[this.w + STATE.hpc / 4] = value;
  }
  get budget(): number {
    return this.u32[this.w + STATE.budget / 4];
  }
  set budget(value: number) {
    this.u32[this.w + STATE.budget / 4] = value;
  }
  get budgetStart(): number {
    return this.u32[this.w + STATE.budgetStart / 4];
  }
  set budgetStart(value: number) {
    this.u32[this.w + STATE.budgetStart / 4] = value;
  }

  get nzcv(): number {
    return this.u32[this.w + STATE.nzcv / 4];
  }
  set nzcv(value: number) {
    this.u32[this.w + STATE.nzcv / 4] = value;
  }
  get el(): number {
    return this.u32[this.w + STATE.el / 4];
  }
  set el(value: number) {
    this.u32[this.w + STATE.el / 4] = value;
  }
  get spsel(): number {
    return this.u32[this.w + STATE.spsel / 4];
  }
  set spsel(value: number) {
    this.u32[this.w + STATE.spsel / 4] = value;
  }
  get daif(): number {
    return this.u32[this.w + STATE.daif / 4];
  }
  set daif(value: number) {
    this.u32[this.w + STATE.daif / 4] = value;
  }
  get pan(): number {
    return this.u32[this.w + STATE.pan / 4];
  }
  set pan(value: number) {
    this.u32[this.w + STATE.pan / 4] = value;
  }
  get uao(): number {
    return this.u32[this.w + STATE.uao / 4];
  }
  set uao(value: number) {
    this.u32[this.w + STATE.uao / 4] = value;
  }
  get dit(): number {
    return this.u32[this.w + STATE.dit / 4];
  }
  set dit(value: number) {
    this.u32[this.w + STATE.dit / 4] = value;
  }
  get ssbs(): number {
    return this.u32[this.w + STATE.ssbs / 4];
  }
  set ssbs(value: number) {
    this.u32[this.w + STATE.ssbs / 4] = value;
  }
  get tco(): number {
    return this.u32[this.w + STATE.tco / 4];
  }
  set tco(value: number) {
    this.u32[this.w + STATE.tco / 4] = value;
  }
  get btype(): number {
    return this.u32[this.w + STATE.btype / 4];
  }
  set btype(value: number) {
    this.u32[this.w + STATE.btype / 4] = value;
  }
  get il(): number {
    return this.u32[this.w + STATE.il / 4];
  }
  set il(value: number) {
    this.u32[this.w + STATE.il / 4] = value;
  }
  get ss(): number {
    return this.u32[this.w + STATE.ss / 4];
  }
  set ss(value: number) {
    this.u32[this.w + STATE.ss / 4] = value;
  }
  get fpcr(): number {
    return this.u32[this.w + STATE.fpcr / 4];
  }
  set fpcr(value: number) {
    this.u32[this.w + STATE.fpcr / 4] = value;
  }
  get fpsr(): number {
    return this.u32[this.w + STATE.fpsr / 4];
  }
  set fpsr(value: number) {
    this.u32[this.w + STATE.fpsr / 4] = value;
  }
  get interrupts(): number {
    return this.u32[this.w + STATE.interrupts / 4];
  }
  set interrupts(value: number) {
    this.u32[this.w + STATE.interrupts / 4] = value;
  }
  get tlb(): number {
    return this.u32[this.w + STATE.tlb / 4];
  }
  set tlb(value: number) {
    this.u32[this.w + STATE.tlb / 4] = value;
  }
  get tlbUnprivileged(): number {
    return this.u32[this.w + STATE.tlbUnprivileged / 4];
  }
  set tlbUnprivileged(value: number) {
    this.u32[this.w + STATE.tlbUnprivileged / 4] = value;
  }
  get exclusive(): number {
    return this.u32[this.w + STATE.exclusive / 4];
  }
  set exclusive(value: number) {
    this.u32[this.w + STATE.exclusive / 4] = value;
  }
  get fpTrapped(): number {
    return this.u32[this.w + STATE.fpTrapped / 4];
  }
  set fpTrapped(value: number) {
    this.u32[this.w + STATE.fpTrapped / 4] = value;
  }
  get spAlignMask(): number {
    return this.u32[this.w + STATE.spAlignMask / 4];
  }
  set spAlignMask(value: number) {
    this.u32[this.w + STATE.spAlignMask / 4] = value;
  }

  /** i64 halves of the slow access's address. */
  get slowVaLow(): number {
    return this.u32[this.w + STATE.slowVa / 4];
  }
  get slowVaHigh(): number {
    return this.u32[this.w + STATE.slowVa / 4 + 1];
  }
  setPacMask(n: number, value: bigint): void {
    this.u64[this.q + STATE.pacMask / 8 + n] = value;
  }
  get pacEnabled(): number {
    return this.u32[this.w + STATE.pacEnabled / 4];
  }
  set pacEnabled(value: number) {
    this.u32[this.w + STATE.pacEnabled / 4] = value;
  }
  setPcDeltaHalves(low: number, high: number): void {
    this.u32[this.w + STATE.pcDelta / 4] = low;
    this.u32[this.w + STATE.pcDelta / 4 + 1] = high;
  }
  setPcHalves(low: number, high: number): void {
    this.u32[this.w + STATE.pc / 4] = low;
    this.u32[this.w + STATE.pc / 4 + 1] = high;
  }
  get slowVa(): bigint {
    return this.u64[this.q + STATE.slowVa / 8];
  }
  set slowVa(value: bigint) {
    this.u64[this.q + STATE.slowVa / 8] = value;
  }
  /** Low 64 bits of the slow access's data. */
  get slowData(): bigint {
    return this.u64[this.q + STATE.slowData / 8];
  }
  set slowData(value: bigint) {
    this.u64[this.q + STATE.slowData / 8] = value;
  }

  /** PSTATE in the shape of SPSR_EL1 for AArch64 (Arm ARM C5.2.19). */
  get spsr(): number {
    return (
      ((this.nzcv << 28) |
        (this.tco << 25) |
        (this.dit << 24) |
        (this.uao << 23) |
        (this.pan << 22) |
        (this.ss << 21) |
        (this.il << 20) |
        (this.ssbs << 12) |
        (this.btype << 10) |
        (this.daif << 6) |
        (this.el << 2) |
        this.spsel) >>>
      0
    );
  }
}
