// The tables that an ITS keeps in guest memory (IHI0069 5.2): where an entry of a flat or two-level table lies,
// and what is stored there. The entries' format is this implementation's own, as the architecture leaves it;
// it takes the fields of KVM's ABI revision 0 (Documentation/virt/kvm/devices/arm-vgic-its.rst), except that
// collections are indexed by ICID and the "next" fields, which only speed up a scan, are zero:
//   device      63 valid | 48:5 bits 51:8 of the ITT's address | 4:0 EventID bits less one
//   collection  63 valid | 51:16 processor number | 15:0 ICID
//   translation 47:16 physical INTID | 15:0 ICID, all zero where there is none

import type { MemoryPort } from '../../ledger/index.ts';

/** Bytes of every entry, level-1 descriptors included. */
export const ENTRY_BYTES = 8;

const BASER_VALID = 1 << 31;
const BASER_INDIRECT = 1 << 30;
const BASER_PAGE_64K = 2 << 8;
const PAGE_BYTES = [4096, 16384, 65536, 65536];
const NO_ADDRESS = -1;

/** Bits 47:12 of an address; with 64 KiB pages, bits 15:12 of the register are address bits 51:48. */
function baserAddress(low: number, high: number, pageBytes: number): number {
  const upper = (high & 0xffff) * 2 ** 32;
  if (pageBytes < 65536) return upper + ((low & 0xfffff000) >>> 0);
  return ((low >>> 12) & 15) * 2 ** 48 + upper + ((low & 0xffff0000) >>> 0);
}

/** GITS_BASER<n>: one table. `low` and `high` are the register's halves, kept as written within `mask`. */
export class ItsTable {
  low = BASER_PAGE_64K;
  high = 0;
  /** The Type and Entry_Size fields, which cannot be written. */
  private readonly fixedHigh: number;
  private readonly memory: MemoryPort;
  private readonly buffer = new Uint8Array(ENTRY_BYTES);
  private readonly view = new DataView(this.buffer.buffer);

  constructor(type: number, memory: MemoryPort) {
    this.fixedHigh = (type << 24) | ((ENTRY_BYTES - 1) << 16);
    this.memory = memory;
  }

  /** No table, and pages of 64 KiB: KVM has no others, and some software does not choose. */
  reset(): void {
    this.low = BASER_PAGE_64K;
    this.high = 0;
  }

  get valid(): boolean {
    return (this.high & BASER_VALID) !== 0;
  }

  readHigh(): number {
    return this.high | this.fixedHigh;
  }

  writeLow(value: number): void {
    // Page_Size 3 is reserved and taken as 64 KiB.
    this.low = (value & 0x300) === 0x300 ? value & ~0x100 : value;
  }

  /** Valid, Indirect, both cacheabilities and the address. */
  writeHigh(value: number): void {
    this.high = value & 0xf8e0ffff;
  }

  /** Guest-physical address of entry `id`, or -1 where the table has none: too short, or its page not there. */
  addressOf(id: number): number {
    if (!this.valid) return NO_ADDRESS;
    const pageBytes = PAGE_BYTES[(this.low >>> 8) & 3];
    const base = baserAddress(this.low, this.high, pageBytes);
    const bytes = ((this.low & 0xff) + 1) * pageBytes;
    if (!(this.high & BASER_INDIRECT)) return id * ENTRY_BYTES < bytes ? base + id * ENTRY_BYTES : NO_ADDRESS;
    const perPage = pageBytes / ENTRY_BYTES;
    const index = Math.floor(id / perPage);
    if (index * ENTRY_BYTES >= bytes) return NO_ADDRESS;
    if (this.memory.read(base + index * ENTRY_BYTES, this.buffer)) return NO_ADDRESS;
    const [low, high] = [this.view.getUint32(0, true), this.view.getUint32(4, true)];
    if (!(high & BASER_VALID)) return NO_ADDRESS;
    const page = (high & 0xfffff) * 2 ** 32 + ((low & ~(pageBytes - 1)) >>> 0);
    return page + (id % perPage) * ENTRY_BYTES;
  }
}

const VALID = 1n << 63n;

export const deviceEntry = (itt: number, eventBits: number): bigint =>
  VALID | ((BigInt(itt) >> 8n) << 5n) | BigInt(eventBits - 1);

export const collectionEntry = (vcpu: number, icid: number): bigint =>
  VALID | (BigInt(vcpu) << 16n) | BigInt(icid);

export const translationEntry = (intid: number, icid: number): bigint =>
  (BigInt(intid) << 16n) | BigInt(icid);

/** Stores an entry; false where guest memory refuses it. */
export function storeEntry(memory: MemoryPort, address: number, entry: bigint): boolean {
  const bytes = new Uint8Array(ENTRY_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, entry, true);
  return memory.write(address, bytes) === undefined;
}
