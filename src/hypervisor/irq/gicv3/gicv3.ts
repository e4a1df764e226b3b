// A GICv3 as KVM gives it to a guest (IHI0069): distributor, redistributors, ICC_* registers and, where there
// is memory to read tables from, LPIs. This file is where the parts meet: which interrupt each vCPU would take,
// and what acknowledging and ending it does to the rest. It knows no board beyond the addresses it is given.

import { Errno, type Log, silentLog } from '../../../lib/index.ts';
import type { MemoryPort } from '../../ledger/index.ts';
import {
  affinityOf,
  type CpuLines,
  type ExternalSystemRegisters,
  type InterruptController,
  type RegisterWindow,
  SPURIOUS,
} from '../controller.ts';
import { CpuInterface, type CpuInterfaceState, IDLE_PRIORITY } from '../cpu-interface.ts';
import { GROUP0, GROUP1, InterruptTable, type InterruptTableState } from '../table.ts';
import { registerWindow } from '../window.ts';
import { Distributor } from './distributor.ts';
import { ITS_BYTES, ITS_TRANSLATER, Its, type ItsState } from './its.ts';
import { FIRST_LPI, Lpis, type LpisState } from './lpis.ts';
import { REDISTRIBUTOR_BYTES, Redistributors } from './redistributor.ts';
import { type CpuInterfaceActions, SystemRegisters } from './system-registers.ts';

export interface GicV3Options {
  readonly vcpus: number;
  /** Shared interrupts, a multiple of 32 from 32 to 960. Default 256. */
  readonly spis?: number;
  readonly lines: CpuLines;
  /** Aff2.Aff1.Aff0 of each vCPU in 24 bits; default affinityOf. */
  readonly affinities?: readonly number[];
  /** Guest-physical memory, for the tables of LPIs and the ITS; without it there are neither. */
  readonly memory?: MemoryPort;
  readonly log?: Log;
  readonly distributorBase?: number;
  readonly itsBase?: number;
  readonly redistributorBase?: number;
}

export interface GicV3State {
  readonly kind: 'gicv3';
  readonly version: 1;
  readonly distributor: { groups: number; routers: number[] };
  readonly interrupts: InterruptTableState;
  readonly cpus: CpuInterfaceState[];
  readonly lpis: LpisState | null;
  readonly its: ItsState | null;
}

const IRQ = 1;
const FIQ = 2;
const UNKNOWN = 4;

export class GicV3 implements InterruptController<GicV3State>, CpuInterfaceActions {
  readonly windows: readonly RegisterWindow[];
  private readonly vcpus: number;
  private readonly lines: CpuLines;
  private readonly affinities: readonly number[];
  private readonly table: InterruptTable;
  private readonly lpis: Lpis | undefined;
  private readonly its: Its | undefined;
  /** Where MSIs are written to. */
  private readonly translater: number;
  private readonly distributor: Distributor;
  private readonly cpus: CpuInterface[] = [];
  private readonly registers: SystemRegisters[] = [];
  /** IRQ | FIQ as last driven. */
  private readonly driven: Uint8Array;

  constructor(options: GicV3Options) {
    const { vcpus, memory } = options;
    if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > 512) {
      throw new Errno('EINVAL', `${vcpus} vCPUs: a GICv3 serves 1 to 512`);
    }
    const update = (vcpu: number) => this.update(vcpu);
    this.vcpus = vcpus;
    this.lines = options.lines;
    this.affinities = options.affinities ?? Array.from({ length: vcpus }, (_, vcpu) => affinityOf(vcpu));
    this.driven = new Uint8Array(vcpus);
    this.table = new InterruptTable(vcpus, options.spis ?? 256, update);
    if (memory) {
      this.lpis = new Lpis(vcpus, memory, update);
      this.its = new Its(vcpus, this.lpis, memory, options.log ?? silentLog);
    }
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      this.cpus.push(new CpuInterface());
      this.registers.push(new SystemRegisters(vcpu, this.cpus[vcpu], this));
    }
    const distributor = new Distributor(this.table, this.affinities, memory !== undefined, () =>
      this.updateAll(),
    );
    this.distributor = distributor;
    const redistributors = new Redistributors(this.table, this.affinities, this.lpis);
    const [distributorBase, itsBase, redistributorBase] = [
      options.distributorBase ?? 0x08000000,
      options.itsBase ?? 0x08080000,
      options.redistributorBase ?? 0x080a0000,
    ];
    this.translater = itsBase + ITS_TRANSLATER;
    const redistributorBytes = vcpus * REDISTRIBUTOR_BYTES;
    this.windows = [
      registerWindow('gicv3-distributor', distributorBase, 0x10000, distributor),
      ...(this.its ? [registerWindow('gicv3-its', itsBase, ITS_BYTES, this.its)] : []),
      registerWindow('gicv3-redistributors', redistributorBase, redistributorBytes, redistributors),
    ];
    this.reset();
  }

  systemRegisters(vcpu: number): ExternalSystemRegisters | undefined {
    return this.registers[vcpu];
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

  /** The requester id is the DeviceID, the data the EventID. */
  send(requesterId: number, address: number, data: number): boolean {
    return address === this.translater && (this.its?.signal(requesterId, data) ?? false);
  }

  reset(): void {
    this.distributor.reset();
    this.lpis?.reset();
    this.its?.reset();
    for (const cpu of this.cpus) cpu.reset();
    this.table.reset(true);
  }

  save(): GicV3State {
    return {
      kind: 'gicv3',
      version: 1,
      distributor: this.distributor.save(),
      interrupts: this.table.save(),
      cpus: this.cpus.map((cpu) => cpu.save()),
      lpis: this.lpis?.save() ?? null,
      its: this.its?.save() ?? null,
    };
  }

  restore(state: GicV3State): void {
    if (state.kind !== 'gicv3' || state.version !== 1) throw new Errno('EINVAL', 'not the state of a GICv3');
    if (state.cpus.length !== this.vcpus || (state.lpis !== null) !== (this.lpis !== undefined)) {
      throw new Errno('EINVAL', 'the state is of a GICv3 with other vCPUs or LPIs');
    }
    this.table.check(state.interrupts);
    this.lpis?.check(state.lpis);
    this.its?.check(state.its);
    this.distributor.restore(state.distributor);
    for (const [vcpu, cpu] of this.cpus.entries()) cpu.restore(state.cpus[vcpu]);
    if (state.lpis) this.lpis?.restore(state.lpis);
    if (state.its) this.its?.restore(state.its);
    // Whatever the vCPUs believe of their lines, they are told.
    this.driven.fill(UNKNOWN);
    this.table.restore(state.interrupts);
  }

  /** ICC_IAR0/1: the signalled interrupt becomes active. */
  acknowledge(vcpu: number, group: number): number {
    const cpu = this.cpus[vcpu];
    if (cpu.pendingGroup !== group || !cpu.signals()) return SPURIOUS;
    const intid = cpu.pendingIntid;
    cpu.activatePriority();
    if (intid >= FIRST_LPI) this.lpis?.clear(intid);
    else this.table.activate(vcpu, intid);
    return intid;
  }

  highestPending(vcpu: number, group: number): number {
    const cpu = this.cpus[vcpu];
    return cpu.pendingGroup === group ? cpu.pendingIntid : SPURIOUS;
  }

  /** ICC_EOIR0/1: priority drop and, unless EOImode, deactivation. An INTID that cannot be active is ignored. */
  end(vcpu: number, group: number, intid: number): void {
    const cpu = this.cpus[vcpu];
    const lpi = this.lpis?.isLpi(intid) ?? false;
    if (intid >= this.table.intids && !lpi) return;
    if (!cpu.dropPriority(group)) return;
    if (!cpu.eoiMode && !lpi) this.table.deactivate(vcpu, intid);
    this.update(vcpu);
  }

  deactivate(vcpu: number, intid: number): void {
    if (intid < this.table.intids) this.table.deactivate(vcpu, intid);
  }

  /** ICC_SGI1R and its like: target list of Aff0 within one cluster, or all but the sender. */
  sendSgi(vcpu: number, value: bigint, group1: boolean): void {
    const low = Number(BigInt.asUintN(32, value));
    const high = Number(BigInt.asUintN(32, value >> 32n));
    const bit = 1 << ((low >>> 24) & 15);
    const everyoneElse = (high & 0x100) !== 0;
    const cluster = (((high >>> 16) & 0xff) << 24) | ((high & 0xff) << 16) | (((low >>> 16) & 0xff) << 8);
    const firstAff0 = ((high >>> 12) & 15) * 16;
    for (let target = 0; target < this.vcpus; target++) {
      if (everyoneElse) {
        if (target === vcpu) continue;
      } else {
        const aff0 = (this.affinities[target] & 0xff) - firstAff0;
        if ((this.affinities[target] & ~0xff) !== cluster || aff0 < 0 || aff0 > 15 || !((low >>> aff0) & 1))
          continue;
      }
      if (group1 || !(this.table.group[target] & bit)) this.table.change(this.table.latch, target, bit, true);
    }
  }

  /** Finds what the vCPU would take next and drives its lines: Group 1 is IRQ, Group 0 is FIQ. */
  update(vcpu: number): void {
    const cpu = this.cpus[vcpu];
    const groups = this.distributor.groups & cpu.groups;
    const { table, lpis } = this;
    table.select(vcpu, groups);
    cpu.pendingIntid = table.foundIntid;
    cpu.pendingPriority = table.foundIntid === SPURIOUS ? IDLE_PRIORITY : table.foundPriority;
    cpu.pendingGroup = table.foundGroup;
    if (lpis && groups & GROUP1) {
      const lpi = lpis.best(vcpu);
      if (lpi !== 0 && lpis.priority(lpi) < table.foundPriority) {
        cpu.pendingIntid = lpi;
        cpu.pendingPriority = lpis.priority(lpi);
        cpu.pendingGroup = GROUP1;
      }
    }
    let lines = 0;
    if (cpu.signals()) lines = cpu.pendingGroup === GROUP0 ? FIQ : IRQ;
    if (lines === this.driven[vcpu]) return;
    this.driven[vcpu] = lines;
    this.lines(vcpu, (lines & IRQ) !== 0, (lines & FIQ) !== 0);
  }

  private updateAll(): void {
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) this.update(vcpu);
  }
}
