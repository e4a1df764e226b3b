// A GICv2 (IHI0048) for up to eight vCPUs, with a v2m frame for message-signalled interrupts, laid out as
// QEMU's virt board has them. This file is where the parts meet, as gicv3.ts is for GICv3.

import { Errno } from '../../../lib/index.ts';
import {
  type CpuLines,
  type ExternalSystemRegisters,
  type InterruptController,
  type RegisterWindow,
  SPURIOUS,
} from '../controller.ts';
import { CpuInterface, IDLE_PRIORITY } from '../cpu-interface.ts';
import { GROUP0, GROUP1, InterruptTable, type InterruptTableState } from '../table.ts';
import { registerWindow } from '../window.ts';
import { CpuRegisters, type CpuRegistersActions, type GicCpu } from './cpu-registers.ts';
import { Distributor, type DistributorState } from './distributor.ts';
import { V2M_BYTES, V2M_SETSPI, V2m } from './v2m.ts';

export interface GicV2Options {
  /** 1 to 8. */
  readonly vcpus: number;
  /** Shared interrupts, a multiple of 32 from 32 to 960. Default 256. */
  readonly spis?: number;
  readonly lines: CpuLines;
  readonly distributorBase?: number;
  readonly cpuBase?: number;
  readonly v2mBase?: number;
  /** Shared interrupts of the v2m frame. Default 64 from INTID 80 on. */
  readonly messages?: { readonly first: number; readonly count: number };
}

export interface GicV2State {
  readonly kind: 'gicv2';
  readonly version: 1;
  readonly distributor: DistributorState;
  readonly interrupts: InterruptTableState;
  readonly cpus: GicCpu[];
}

/** Read where the pending interrupt is of Group 1 and the register serves Group 0. */
const GROUP1_PENDING = 1022;
const IRQ = 1;
const FIQ = 2;
const UNKNOWN = 4;

export class GicV2 implements InterruptController<GicV2State>, CpuRegistersActions {
  readonly windows: readonly RegisterWindow[];
  private readonly vcpus: number;
  private readonly lines: CpuLines;
  private readonly table: InterruptTable;
  private readonly distributor: Distributor;
  private readonly cpus: readonly CpuInterface[];
  private readonly registers: CpuRegisters;
  private readonly v2m: V2m;
  private readonly messageAddress: number;
  /** IRQ | FIQ as last driven. */
  private readonly driven: Uint8Array;

  constructor(options: GicV2Options) {
    const { vcpus } = options;
    if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > 8) {
      throw new Errno('EINVAL', `${vcpus} vCPUs: a GICv2 serves 1 to 8`);
    }
    this.vcpus = vcpus;
    this.lines = options.lines;
    this.driven = new Uint8Array(vcpus);
    this.table = new InterruptTable(vcpus, options.spis ?? 256, (vcpu) => this.update(vcpu));
    this.cpus = Array.from({ length: vcpus }, () => new CpuInterface());
    this.distributor = new Distributor(this.table, () => this.updateAll());
    this.registers = new CpuRegisters(this.cpus, this);
    const { first, count } = options.messages ?? { first: 80, count: 64 };
    if (first < 32 || first + count > this.table.intids) {
      throw new Errno(
        'EINVAL',
        `${count} messages from INTID ${first} on do not fit ${this.table.intids} INTIDs`,
      );
    }
    this.v2m = new V2m(first, count, (intid) => this.pulse(intid));
    const v2mBase = options.v2mBase ?? 0x08020000;
    this.messageAddress = v2mBase + V2M_SETSPI;
    this.windows = [
      registerWindow('gicv2-distributor', options.distributorBase ?? 0x08000000, 0x10000, this.distributor),
      registerWindow('gicv2-cpu', options.cpuBase ?? 0x08010000, 0x10000, this.registers),
      registerWindow('gicv2m', v2mBase, V2M_BYTES, this.v2m),
    ];
    this.reset();
  }

  /** The CPU interface is memory-mapped. */
  systemRegisters(_vcpu: number): ExternalSystemRegisters | undefined {
    return undefined;
  }

  setSpi(intid: number, level: boolean): void {
    if (!(intid >= 32 && intid < this.table.intids)) throw new Errno('EINVAL', `there is no SPI ${intid}`);
    this.table.setLevel(0, intid, level);
  }

  setPpi(vcpu: number, intid: number, level: boolean): void {
    if (!(intid >= 16 && intid < 32 && vcpu >= 0 && vcpu < this.vcpus)) {
      throw new Errno('EINVAL', `there is no PPI ${intid} on vCPU ${vcpu}`);
    }
    this.table.setLevel(vcpu, intid, level);
  }

  send(_requesterId: number, address: number, data: number): boolean {
    return address === this.messageAddress && this.v2m.signal(data);
  }

  reset(): void {
    this.registers.reset();
    this.table.reset(false);
    this.distributor.reset();
    this.updateAll();
  }

  save(): GicV2State {
    return {
      kind: 'gicv2',
      version: 1,
      distributor: this.distributor.save(),
      interrupts: this.table.save(),
      cpus: this.registers.save(),
    };
  }

  restore(state: GicV2State): void {
    if (state.kind !== 'gicv2' || state.version !== 1) throw new Errno('EINVAL', 'not the state of a GICv2');
    if (state.cpus.length !== this.vcpus)
      throw new Errno('EINVAL', 'the state is of a GICv2 with other vCPUs');
    this.table.check(state.interrupts);
    this.distributor.restore(state.distributor);
    this.registers.restore(state.cpus);
    // Whatever the vCPUs believe of their lines, they are told.
    this.driven.fill(UNKNOWN);
    this.table.restore(state.interrupts);
  }

  /** GICC_IAR and GICC_AIAR: the signalled interrupt becomes active. An SGI comes with its sender. */
  acknowledge(vcpu: number, register: 'IAR' | 'AIAR'): number {
    const cpu = this.cpus[vcpu];
    const intid = this.highestPending(vcpu, register);
    if (intid >= this.table.intids) return intid === GROUP1_PENDING && cpu.signals() ? intid : SPURIOUS;
    if (!cpu.signals()) return SPURIOUS;
    cpu.activatePriority();
    this.table.activate(vcpu, intid);
    return intid < 16 ? intid | (this.distributor.takeSource(vcpu, intid) << 10) : intid;
  }

  highestPending(vcpu: number, register: 'IAR' | 'AIAR'): number {
    const cpu = this.cpus[vcpu];
    if (cpu.pendingIntid === SPURIOUS) return SPURIOUS;
    if (register === 'AIAR') return cpu.pendingGroup === GROUP1 ? cpu.pendingIntid : SPURIOUS;
    return cpu.pendingGroup === GROUP0 || this.registers.ackControl[vcpu] ? cpu.pendingIntid : GROUP1_PENDING;
  }

  /** GICC_EOIR and GICC_AEOIR: priority drop in one of `groups` and, unless EOImode, deactivation. */
  end(vcpu: number, groups: number, intid: number): void {
    const cpu = this.cpus[vcpu];
    if (intid >= this.table.intids) return;
    const dropped =
      (groups & GROUP0 && cpu.dropPriority(GROUP0)) || (groups & GROUP1 && cpu.dropPriority(GROUP1));
    if (!dropped) return;
    if (!cpu.eoiMode) this.table.deactivate(vcpu, intid);
    this.update(vcpu);
  }

  deactivate(vcpu: number, intid: number): void {
    if (intid < this.table.intids) this.table.deactivate(vcpu, intid);
  }

  /** Finds what the vCPU would take next and drives its lines: Group 0 is FIQ where FIQEn says so. */
  update(vcpu: number): void {
    const cpu = this.cpus[vcpu];
    const { table } = this;
    table.select(vcpu, this.distributor.groups & cpu.groups);
    cpu.pendingIntid = table.foundIntid;
    cpu.pendingPriority = table.foundIntid === SPURIOUS ? IDLE_PRIORITY : table.foundPriority;
    cpu.pendingGroup = table.foundGroup;
    let lines = 0;
    if (cpu.signals()) lines = cpu.pendingGroup === GROUP0 && this.registers.fiqEnable[vcpu] ? FIQ : IRQ;
    if (lines === this.driven[vcpu]) return;
    this.driven[vcpu] = lines;
    this.lines(vcpu, (lines & IRQ) !== 0, (lines & FIQ) !== 0);
  }

  /** One edge, which an interrupt configured as level-sensitive does not remember. */
  private pulse(intid: number): boolean {
    const word = this.table.word(0, intid);
    const bit = 1 << (intid & 31);
    if (!(this.table.edge[word] & bit)) return false;
    this.table.change(this.table.latch, word, bit, true);
    return true;
  }

  private updateAll(): void {
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) this.update(vcpu);
  }
}
