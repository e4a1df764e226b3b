// MSI-X (PCI 3.0, 6.8.2): a table of messages and an array of pending bits, both in a BAR. A message that is raised
// while its vector or the function is masked stays pending and goes out once, when the mask is lifted.

import type { AccessSize } from '../device.ts';

const ENTRY_BYTES = 16;
const ENTRY_MASKED = 1;
const CONTROL_ENABLE = 0x8000;
const CONTROL_FUNCTION_MASK = 0x4000;
/** What software may write of the message control word. */
export const CONTROL_WRITABLE = CONTROL_ENABLE | CONTROL_FUNCTION_MASK;

export interface SavedMsix {
  readonly table: readonly number[];
  readonly pending: readonly number[];
}

export class Msix {
  readonly vectors: number;
  /** Bytes of the table and of the pending bit array. */
  readonly tableBytes: number;
  readonly pendingBytes: number;
  private readonly table: Uint32Array;
  private readonly pending: Uint32Array;
  private readonly send: (address: number, data: number) => void;
  private control = 0;

  /** `send` emits one message; the caller decides whether the function may master the bus. */
  constructor(vectors: number, send: (address: number, data: number) => void) {
    this.vectors = vectors;
    this.tableBytes = vectors * ENTRY_BYTES;
    this.pendingBytes = Math.ceil(vectors / 64) * 8;
    this.table = new Uint32Array(vectors * 4);
    this.pending = new Uint32Array(this.pendingBytes / 4);
    this.send = send;
    this.reset();
  }

  get enabled(): boolean {
    return (this.control & CONTROL_ENABLE) !== 0;
  }

  /** The message control word changed. */
  setControl(control: number): void {
    this.control = control;
    this.flush();
  }

  raise(vector: number): void {
    if (!this.enabled || vector >= this.vectors) return;
    if (this.masked(vector)) this.pending[vector >> 5] |= 1 << (vector & 31);
    else this.emit(vector);
  }

  /** Only aligned 4-byte accesses are defined (PCI 3.0, 6.8.2); narrower reads give the part of the word. */
  readTable(offset: number, size: AccessSize): number {
    return part(this.table[offset >> 2] ?? 0, offset, size);
  }

  writeTable(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || offset % 4 !== 0 || offset >= this.tableBytes) return;
    this.table[offset >> 2] = value;
    this.flush();
  }

  readPending(offset: number, size: AccessSize): number {
    return part(this.pending[offset >> 2] ?? 0, offset, size);
  }

  reset(): void {
    this.control = 0;
    this.pending.fill(0);
    this.table.fill(0);
    for (let vector = 0; vector < this.vectors; vector++) this.table[4 * vector + 3] = ENTRY_MASKED;
  }

  save(): SavedMsix {
    return { table: [...this.table], pending: [...this.pending] };
  }

  /** `control` is the restored message control word. Nothing is sent. */
  restore(state: SavedMsix, control: number): void {
    this.table.set(state.table);
    this.pending.set(state.pending);
    this.control = control;
  }

  private masked(vector: number): boolean {
    return (this.control & CONTROL_FUNCTION_MASK) !== 0 || (this.table[4 * vector + 3] & ENTRY_MASKED) !== 0;
  }

  private flush(): void {
    if (!this.enabled) return;
    for (let word = 0; word < this.pending.length; word++) {
      if (this.pending[word] === 0) continue;
      for (let i = 0; i < 32; i++) {
        const vector = 32 * word + i;
        if ((this.pending[word] & (1 << i)) === 0 || this.masked(vector)) continue;
        this.pending[word] &= ~(1 << i);
        this.emit(vector);
      }
    }
  }

  private emit(vector: number): void {
    const at = 4 * vector;
    this.send(this.table[at + 1] * 2 ** 32 + this.table[at], this.table[at + 2]);
  }
}

function part(word: number, offset: number, size: AccessSize): number {
  const shifted = word >>> (8 * (offset & 3));
  return size === 4 ? shifted : shifted & (size === 2 ? 0xffff : 0xff);
}
