import { describe, expect, it } from 'vitest';
import { interpreterDriver } from '../../engine/driver.ts';
import { DATA_ADDRESS, DATA_BYTES, SIGNAL } from '../../oracle/index.ts';

const END = DATA_ADDRESS + DATA_BYTES;
const memory = (): Uint8Array => Uint8Array.from({ length: DATA_BYTES }, (_, k) => k);
const run = (code: readonly number[], x0: number, x1 = 0) => {
  const x = new BigUint64Array(31);
  x[0] = BigInt(x0);
  x[1] = BigInt(x1);
  const v = BigUint64Array.from({ length: 64 }, (_, k) => BigInt(k + 1) * 0x0101_0101_0101_0101n);
  return interpreterDriver().run({ code, x, v, memory: memory() });
};

const LD4 = 0x4cdf0000; // ld4 {v0.16b-v3.16b}, [x0], #64
const LD1 = 0x4cc12000; // ld1 {v0.16b-v3.16b}, [x0], x1
const ST3 = 0x4c9f4400; // st3 {v0.8h-v2.8h}, [x0], #48
const LD3_LANE = 0x0ddfb000; // ld3 {v0.s-v2.s}[1], [x0], #12
const LD2R = 0x4dffcc00; // ld2r {v0.2d-v1.2d}, [x0], #16
const LD1_WRAP = 0x4c40a01f; // ld1 {v31.16b, v0.16b}, [x0]

describe('structures (C4.1.94)', () => {
  it('LD4 deals bytes out to four registers', () => {
    const r = run([LD4], DATA_ADDRESS);
    expect(r.v[0]).toBe(0x1c18_1410_0c08_0400n);
    expect(r.v[7]).toBe(0x3f3b_3733_2f2b_2723n);
  });
  it('post-index adds the size of what was moved, or a register', () => {
    expect(run([LD4], DATA_ADDRESS).x[0]).toBe(BigInt(DATA_ADDRESS + 64));
    expect(run([LD1], DATA_ADDRESS, 5).x[0]).toBe(BigInt(DATA_ADDRESS + 5));
    expect(run([LD3_LANE], DATA_ADDRESS).x[0]).toBe(BigInt(DATA_ADDRESS + 12));
    expect(run([LD2R], DATA_ADDRESS).x[0]).toBe(BigInt(DATA_ADDRESS + 16));
  });
  it('registers wrap from V31 to V0', () => {
    const r = run([LD1_WRAP], DATA_ADDRESS);
    expect(r.v[62]).toBe(0x0706_0504_0302_0100n);
    expect(r.v[0]).toBe(0x1716_1514_1312_1110n);
  });
  it('a lane load keeps the other lanes', () => {
    const r = run([LD3_LANE], DATA_ADDRESS);
    expect(r.v.slice(0, 2)).toEqual(BigUint64Array.of(0x0302_0100_0101_0101n, 0x0202_0202_0202_0202n));
  });
  it.each([
    ['LD4', LD4, END - 60],
    ['LD1', LD1, END - 48],
    ['LD3 (single)', LD3_LANE, END - 8],
    ['LD2R', LD2R, END - 8],
  ])('%s that faults midway changes no register', (_, code, address) => {
    const r = run([code], address);
    const untouched = run([0xd503201f], address);
    expect(r.signal).toBe(SIGNAL.segv);
    expect(r.x).toEqual(untouched.x);
    expect(r.v).toEqual(untouched.v);
  });
  it('a store that faults midway leaves the base register', () => {
    const r = run([ST3], END - 40);
    expect(r.signal).toBe(SIGNAL.segv);
    expect(r.x[0]).toBe(BigInt(END - 40));
  });
});
