// MRS, MSR (register and immediate), SYS and SYSL: finds the row of the encoding, checks EL, feature and EL0
// controls, and executes it (Arm ARM C5.1.2, D23). Encodings without a row are UNDEFINED.

import type { Core } from './core.ts';
import type { CpuFeatures } from './features.ts';
import { type Operation, type OperationHost, operations } from './operations.ts';
import { DONE, LEAVE } from './services.ts';
import { EC } from './syndrome.ts';
import { type RegisterHost, type RegisterRow, registerKey, registerTable, slotOf } from './sysregs/index.ts';

const SCTLR = slotOf('SCTLR_EL1');

/** Registers that live in another device: the interrupt controller's CPU interface (ICC_*_EL1). */
export interface ExternalSystemRegisters {
  /** `key` is registerKey(). Undefined or false: UNDEFINED. */
  read(key: number): bigint | undefined;
  write(key: number, value: bigint): boolean;
}

/** A row with its slot resolved, so that no access looks a name up. */
interface Entry {
  readonly row: RegisterRow;
  readonly slot: number;
  /** The value of a constant. */
  readonly constant: bigint | undefined;
}

/** op0 = 3, op1 = 0, CRn = 0, CRm = 1..7: unallocated encodings read as zero. */
const isReservedIdentification = (key: number): boolean =>
  key >= registerKey(3, 0, 0, 1, 0) && key <= registerKey(3, 0, 0, 7, 7);

/** ICC_*_EL1: op0 = 3, op1 = 0, CRn = 12 (CRm 8..15), and ICC_PMR_EL1. */
const isInterruptController = (key: number): boolean =>
  key === registerKey(3, 0, 4, 6, 0) ||
  (key >= registerKey(3, 0, 12, 8, 0) && key <= registerKey(3, 0, 12, 15, 7));

/** PSTATE fields of MSR (immediate), op1:op2. */
const FIELD = { uao: 3, pan: 4, spsel: 5, ssbs: 0o31, dit: 0o32, tco: 0o34, daifSet: 0o36, daifClear: 0o37 };

const SP_EL0_KEY = registerKey(3, 0, 4, 1, 0);
const SCTLR_UMA = 1 << 9;
const SCTLR_DZE = 1 << 14;
const SCTLR_UCI = 1 << 26;

export class SystemInstructions {
  private readonly core: Core;
  private readonly registers = new Map<number, Entry>();
  private readonly operations = new Map<number, Operation>();
  private readonly host: RegisterHost;
  private readonly operationHost: OperationHost;
  private readonly external: ExternalSystemRegisters;

  constructor(
    core: Core,
    host: RegisterHost,
    operationHost: OperationHost,
    external: ExternalSystemRegisters,
    features: CpuFeatures,
  ) {
    this.core = core;
    this.host = host;
    this.operationHost = operationHost;
    this.external = external;
    for (const row of registerTable) {
      if (row.feature && !features[row.feature]) continue;
      this.registers.set(row.key, {
        row,
        slot: row.stored ? slotOf(row.name) : -1,
        constant: row.constant ? row.read?.(host) : undefined,
      });
    }
    for (const op of operations) if (!op.feature || features[op.feature]) this.operations.set(op.key, op);
  }

  /** Executes one instruction. DONE, or LEAVE with pc exact. */
  execute(insn: number): number {
    const op0 = (insn >>> 19) & 3;
    const result = op0 >= 2 ? this.register(insn) : op0 === 1 ? this.sys(insn) : this.immediate(insn);
    if (result === DONE && this.core.state.interrupts !== 0 && this.core.exceptions.pendingInterrupt()) {
      return this.leaveAfter();
    }
    return result;
  }

  private leaveAfter(): number {
    const { state } = this.core;
    state.pc = BigInt.asUintN(64, state.currentPc + 4n);
    return LEAVE;
  }

  /** A trap to EL1 with EC 0x18. */
  private trap(insn: number): number {
    const [op0, op1, crn, crm, op2] = [
      (insn >>> 19) & 3,
      (insn >>> 16) & 7,
      (insn >>> 12) & 15,
      (insn >>> 8) & 15,
      (insn >>> 5) & 7,
    ];
    const iss =
      (op0 << 20) |
      (op2 << 17) |
      (op1 << 14) |
      (crn << 10) |
      ((insn & 31) << 5) |
      (crm << 1) |
      ((insn >>> 21) & 1);
    this.core.exceptions.take(EC.system, iss, this.core.state.currentPc);
    return LEAVE;
  }

  private register(insn: number): number {
    const { core } = this;
    const { state } = core;
    const key = (insn >>> 5) & 0xffff;
    const reading = ((insn >>> 21) & 1) === 1;
    const entry = this.registers.get(key);
    if (!entry) return this.unlisted(insn, key, reading);
    const { row, slot, constant } = entry;
    const access = state.el === 0 ? row.el0 : row.el1;
    if (access === 'none' || (access === 'r' && !reading) || (access === 'w' && reading)) {
      return core.undefinedInstruction();
    }
    if (key === SP_EL0_KEY && !state.spsel) return core.undefinedInstruction();
    if (state.el === 0 && row.el0Gate && !row.el0Gate(this.host, !reading)) return this.trap(insn);
    if (row.floating && state.fpTrapped) return this.fpTrap();
    const rt = insn & 31;
    if (reading) {
      state.setX(rt, constant ?? (row.read ? row.read(this.host) : state.sysreg(slot)));
      return DONE;
    }
    const value = state.x(rt);
    if (row.write) row.write(this.host, value);
    else state.setSysreg(slot, (value & row.mask) | (row.reset & ~row.mask));
    row.after?.(this.host);
    return row.endsSlice || (row.after && !core.codeStillMapped) ? this.leaveAfter() : DONE;
  }

  private fpTrap(): number {
    this.core.exceptions.take(EC.fp, 0x01e0_0000, this.core.state.currentPc);
    return LEAVE;
  }

  /** Encodings that the table does not list. */
  private unlisted(insn: number, key: number, reading: boolean): number {
    const { core } = this;
    const { state } = core;
    if (state.el === 0) return core.undefinedInstruction();
    const rt = insn & 31;
    if (reading && isReservedIdentification(key)) {
      state.setX(rt, 0n);
      return DONE;
    }
    if (!core.features.gicv3 || !isInterruptController(key)) return core.undefinedInstruction();
    if (!reading) return this.external.write(key, state.x(rt)) ? DONE : core.undefinedInstruction();
    const value = this.external.read(key);
    if (value === undefined) return core.undefinedInstruction();
    state.setX(rt, value);
    return DONE;
  }

  /** MSR (immediate). */
  private immediate(insn: number): number {
    const { core } = this;
    const { state } = core;
    const field = ((insn >>> 13) & 0o70) | ((insn >>> 5) & 7);
    const value = (insn >>> 8) & 15;
    if (((insn >>> 12) & 15) !== 4 || (insn & 31) !== 31) return core.undefinedInstruction();
    const user = state.el === 0;
    switch (field) {
      case FIELD.uao:
        if (user) return core.undefinedInstruction();
        state.uao = value & 1;
        this.host.contextChanged();
        return DONE;
      case FIELD.pan:
        if (user) return core.undefinedInstruction();
        state.pan = value & 1;
        this.host.contextChanged();
        return DONE;
      case FIELD.spsel:
        if (user) return core.undefinedInstruction();
        core.exceptions.select(1, value & 1);
        return DONE;
      case FIELD.ssbs:
        state.ssbs = value & 1;
        return DONE;
      case FIELD.dit:
        state.dit = value & 1;
        return DONE;
      case FIELD.tco:
        if (!core.features.mte) return core.undefinedInstruction();
        state.tco = value & 1;
        return DONE;
      case FIELD.daifSet:
      case FIELD.daifClear:
        if (user && !(state.sysregLow(SCTLR) & SCTLR_UMA)) return this.trap(insn);
        state.daif = field === FIELD.daifSet ? state.daif | value : state.daif & ~value;
        return core.debug.stepActive ? this.leaveAfter() : DONE;
      default:
        return core.undefinedInstruction();
    }
  }

  private sys(insn: number): number {
    const { core } = this;
    const { state } = core;
    const op = this.operations.get((insn >>> 5) & 0xffff);
    // SYSL has no encoding with an effect.
    if (!op || (insn >>> 21) & 1) return core.undefinedInstruction();
    if (state.el === 0) {
      if (op.user === 'none') return core.undefinedInstruction();
      const bit = op.user === 'DZE' ? SCTLR_DZE : SCTLR_UCI;
      if (!(state.sysregLow(SCTLR) & bit)) return this.trap(insn);
    }
    return op.run(this.operationHost, insn & 31);
  }
}
