// The per-interrupt registers, which lie at the same offsets in a GICv2 distributor, a GICv3 distributor and a
// redistributor's SGI frame: groups, enables, pending, active, priorities, configuration (IHI0069 12.9, 12.11).
// Each frame shows a range of INTIDs; the rest of it reads as zero.

import type { InterruptTable } from './table.ts';

/** First and last offset of the registers served here. */
export const BANKS_START = 0x080;
export const BANKS_END = 0xd00;

export class BankedRegisters {
  private readonly table: InterruptTable;
  private readonly first: number;
  private readonly end: number;
  /** Pending bits of SGIs cannot be written: in GICv2 each has a source (GICD_SPENDSGIR). */
  private readonly sgiPendingReadOnly: boolean;

  constructor(table: InterruptTable, first: number, end: number, sgiPendingReadOnly = false) {
    this.table = table;
    this.first = first;
    this.end = end;
    this.sgiPendingReadOnly = sgiPendingReadOnly;
  }

  /** `offset` is a multiple of 4. */
  read(vcpu: number, offset: number): number {
    const { table } = this;
    if (offset >= 0x400 && offset < 0x800) return this.readPriorities(vcpu, offset - 0x400);
    if (offset >= 0xc00) return this.readConfiguration(vcpu, (offset - 0xc00) * 4);
    if (offset >= 0x400) return 0;
    const intid = (offset & 0x7f) * 8;
    if (intid < this.first || intid >= this.end) return 0;
    const word = table.word(vcpu, intid);
    switch (offset & ~0x7f) {
      case 0x080:
        return table.group[word] >>> 0;
      case 0x100:
      case 0x180:
        return table.enabled[word] >>> 0;
      case 0x200:
      case 0x280:
        return table.pendingWord(word) >>> 0;
      default:
        return table.active[word] >>> 0;
    }
  }

  write(vcpu: number, offset: number, value: number): void {
    const { table } = this;
    if (offset >= 0x400 && offset < 0x800) {
      for (let n = 0; n < 4; n++) this.writePriority(vcpu, offset - 0x400 + n, (value >>> (8 * n)) & 0xff);
      return;
    }
    if (offset >= 0xc00) {
      this.writeConfiguration(vcpu, (offset - 0xc00) * 4, value);
      return;
    }
    const intid = (offset & 0x7f) * 8;
    if (offset >= 0x400 || intid < this.first || intid >= this.end) return;
    const word = table.word(vcpu, intid);
    const pendable = intid === 0 && this.sgiPendingReadOnly ? value & ~0xffff : value;
    // Each set has a register that sets bits and, 0x80 further, one that clears them.
    const setting = (offset & 0x80) === 0;
    if (offset < 0x100) table.setGroup(word, value);
    else if (offset < 0x200) table.change(table.enabled, word, value, setting);
    else if (offset < 0x300) table.change(table.latch, word, pendable, setting);
    else table.change(table.active, word, value, setting);
  }

  /** A byte of IPRIORITYR, the only one of these registers with byte access. */
  readByte(vcpu: number, offset: number): number {
    if (offset < 0x400 || offset >= 0x800) return 0;
    return (this.readPriorities(vcpu, (offset - 0x400) & ~3) >>> (8 * (offset & 3))) & 0xff;
  }

  writeByte(vcpu: number, offset: number, value: number): void {
    if (offset >= 0x400 && offset < 0x800) this.writePriority(vcpu, offset - 0x400, value);
  }

  private readPriorities(vcpu: number, intid: number): number {
    if (intid < this.first || intid >= this.end) return 0;
    const at = this.table.slot(vcpu, intid);
    const { priority } = this.table;
    return (
      (priority[at] | (priority[at + 1] << 8) | (priority[at + 2] << 16) | (priority[at + 3] << 24)) >>> 0
    );
  }

  private writePriority(vcpu: number, intid: number, value: number): void {
    if (intid < this.first || intid >= this.end) return;
    this.table.setPriority(this.table.slot(vcpu, intid), value);
  }

  /** Two bits an interrupt, of which the upper one says edge-triggered. */
  private readConfiguration(vcpu: number, intid: number): number {
    if (intid < this.first || intid >= this.end) return 0;
    const edge = this.table.edge[this.table.word(vcpu, intid)] >>> (intid & 16);
    let value = 0;
    for (let n = 0; n < 16; n++) value |= ((edge >>> n) & 1) << (2 * n + 1);
    return value >>> 0;
  }

  /** SGIs are always edge-triggered and PPIs stay level-sensitive, as the timers need; KVM fixes both, too. */
  private writeConfiguration(vcpu: number, intid: number, value: number): void {
    if (intid < 32 || intid < this.first || intid >= this.end) return;
    let edge = 0;
    for (let n = 0; n < 16; n++) edge |= ((value >>> (2 * n + 1)) & 1) << n;
    const word = this.table.word(vcpu, intid);
    const half = 0xffff << (intid & 16);
    this.table.edge[word] = (this.table.edge[word] & ~half) | ((edge << (intid & 16)) & half);
    this.table.refresh(word, half);
  }
}
