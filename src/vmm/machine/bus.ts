// From a guest-physical address to the device that owns it. Accesses of 8 bytes become two of 4, low half
// first; an address that nobody claims reads 0 and swallows writes, and is reported once.

import type { Log } from '../../lib/index.ts';
import type { AccessSize, MmioDevice } from '../devices/index.ts';

interface Window {
  readonly base: number;
  readonly end: number;
  readonly device: MmioDevice;
}

/** How many unclaimed addresses are reported before the rest goes unmentioned. */
const REPORTS = 64;
const PAGE = 4096;

export class Bus {
  /** Sorted by base. */
  private readonly windows: Window[] = [];
  private readonly log: Log;
  private readonly reported = new Set<number>();
  private last: Window | undefined;

  constructor(log: Log) {
    this.log = log;
  }

  get devices(): readonly MmioDevice[] {
    return this.windows.map((window) => window.device);
  }

  /** Throws where the window overlaps another: the board is wrong. */
  attach(base: number, device: MmioDevice): void {
    const end = base + device.size;
    const at = this.windows.findIndex((window) => window.base > base);
    const index = at === -1 ? this.windows.length : at;
    const before = this.windows[index - 1];
    const after = this.windows[index];
    if ((before && before.end > base) || (after && after.base < end)) {
      throw new Error(
        `board: ${device.name} at 0x${base.toString(16)} overlaps ${(after ?? before).device.name}`,
      );
    }
    this.windows.splice(index, 0, { base, end, device });
  }

  read(address: number, size: 1 | 2 | 4 | 8): bigint {
    if (size === 8) {
      const low = this.readPart(address, 4);
      return (BigInt(this.readPart(address + 4, 4)) << 32n) | BigInt(low);
    }
    return BigInt(this.readPart(address, size));
  }

  write(address: number, size: 1 | 2 | 4 | 8, data: bigint): void {
    if (size === 8) {
      this.writePart(address, 4, Number(data & 0xffff_ffffn));
      this.writePart(address + 4, 4, Number((data >> 32n) & 0xffff_ffffn));
      return;
    }
    this.writePart(address, size, Number(BigInt.asUintN(8 * size, data)));
  }

  private readPart(address: number, size: AccessSize): number {
    const window = this.find(address, size);
    if (!window) {
      this.report(address, `read of ${size} bytes`);
      return 0;
    }
    const value = window.device.read(address - window.base, size);
    return size === 4 ? value >>> 0 : value & ((1 << (8 * size)) - 1);
  }

  private writePart(address: number, size: AccessSize, value: number): void {
    const window = this.find(address, size);
    if (window) window.device.write(address - window.base, size, value);
    else this.report(address, `write of 0x${value.toString(16)}`);
  }

  /** The window that holds all of the access. */
  private find(address: number, size: number): Window | undefined {
    const { last } = this;
    if (last && address >= last.base && address + size <= last.end) return last;
    let low = 0;
    let high = this.windows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.windows[middle].base <= address) low = middle + 1;
      else high = middle;
    }
    const window = this.windows[low - 1];
    if (!window || address + size > window.end) return undefined;
    this.last = window;
    return window;
  }

  private report(address: number, what: string): void {
    const page = address - (address % PAGE);
    if (this.reported.has(page) || this.reported.size >= REPORTS) return;
    this.reported.add(page);
    this.log('warn', 'bus', `${what} at 0x${address.toString(16)}, where no device is`);
  }
}
