import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/lib/index.ts';
import type { AccessSize, MmioDevice } from '../../../src/vmm/devices/index.ts';
import { Bus } from '../../../src/vmm/machine/bus.ts';

class Recorder implements MmioDevice {
  readonly name: string;
  readonly size: number;
  readonly accesses: string[] = [];
  answer = 0;

  constructor(name: string, size: number) {
    this.name = name;
    this.size = size;
  }

  read(offset: number, size: AccessSize): number {
    this.accesses.push(`r${size}@${offset}`);
    return this.answer;
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.accesses.push(`w${size}@${offset}=${value}`);
  }

  reset(): void {}
}

describe('bus', () => {
  it('finds the device by address', () => {
    const bus = new Bus(silentLog);
    const high = new Recorder('high', 0x100);
    const low = new Recorder('low', 0x100);
    bus.attach(0x80_0000_0000, high);
    bus.attach(0x1000, low);
    bus.write(0x10fc, 4, 5n);
    bus.write(0x80_0000_0010, 2, 6n);
    bus.write(0x1000, 1, 7n);
    expect(low.accesses).toEqual(['w4@252=5', 'w1@0=7']);
    expect(high.accesses).toEqual(['w2@16=6']);
  });

  it('splits accesses of 8 bytes, low half first', () => {
    const bus = new Bus(silentLog);
    const device = new Recorder('d', 0x10);
    bus.attach(0, device);
    bus.write(8, 8, 0xffff_fffe_8000_0001n);
    device.answer = 0xffff_ffff;
    expect(bus.read(0, 8)).toBe(0xffff_ffff_ffff_ffffn);
    expect(device.accesses).toEqual(['w4@8=2147483649', 'w4@12=4294967294', 'r4@0', 'r4@4']);
  });

  it('cuts answers to the size of the access', () => {
    const bus = new Bus(silentLog);
    const device = new Recorder('d', 0x10);
    bus.attach(0, device);
    device.answer = -1;
    expect([bus.read(0, 1), bus.read(0, 2), bus.read(0, 4)]).toEqual([0xffn, 0xffffn, 0xffff_ffffn]);
  });

  it('reads 0 where no device is, or only for a part, and says so once a page', () => {
    const lines: string[] = [];
    const bus = new Bus((_level, _source, message) => lines.push(message));
    const device = new Recorder('d', 6);
    bus.attach(0x1000, device);
    expect(bus.read(0x2000, 4)).toBe(0n);
    bus.write(0x2004, 4, 1n);
    expect(bus.read(0x1004, 4)).toBe(0n);
    expect(device.accesses).toEqual([]);
    expect(lines).toEqual([
      'read of 4 bytes at 0x2000, where no device is',
      'read of 4 bytes at 0x1004, where no device is',
    ]);
  });

  it('refuses overlapping windows', () => {
    const bus = new Bus(silentLog);
    bus.attach(0x1000, new Recorder('a', 0x100));
    expect(() => bus.attach(0x10ff, new Recorder('b', 1))).toThrow('b at 0x10ff overlaps a');
    expect(() => bus.attach(0xfff, new Recorder('c', 2))).toThrow('overlaps a');
    expect(() => bus.attach(0x1100, new Recorder('d', 1))).not.toThrow();
  });
});
