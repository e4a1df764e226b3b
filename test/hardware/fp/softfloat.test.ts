// The exact arithmetic by itself: against JavaScript's doubles where they agree with Arm, and the rules of the Arm
// ARM's shared pseudocode (functions/float) where nothing else does.

import { describe, expect, it } from 'vitest';
import {
  add,
  compare,
  convert,
  DOUBLE,
  divide,
  Environment,
  extreme,
  FPCR,
  FPSR,
  fromFixed,
  HALF,
  multiply,
  multiplyAdd,
  ROUND,
  reciprocalEstimate,
  reciprocalRootEstimate,
  roundToWidth,
  SINGLE,
  squareRoot,
  subtract,
  toFixed,
  toInt32,
} from '../../../src/hardware/fp/index.ts';
import { number, Random } from './cases.ts';

const buffer = new DataView(new ArrayBuffer(8));
const toNumber = (bits: bigint): number => {
  buffer.setBigUint64(0, bits);
  return buffer.getFloat64(0);
};
const toBits = (n: number): bigint => {
  buffer.setFloat64(0, n);
  return buffer.getBigUint64(0);
};
const single = (n: number): bigint => {
  buffer.setFloat32(0, n);
  return BigInt(buffer.getUint32(0));
};

const env = (fpcr = 0): Environment => new Environment(fpcr);
const ROUND_UP = 1 << FPCR.RMODE_SHIFT;
const ROUND_DOWN = 2 << FPCR.RMODE_SHIFT;

describe('round to nearest agrees with IEEE doubles of the host', () => {
  const operations: [string, (a: bigint, b: bigint) => bigint, (a: number, b: number) => number][] = [
    ['addition', (a, b) => add(DOUBLE, env(), a, b), (a, b) => a + b],
    ['subtraction', (a, b) => subtract(DOUBLE, env(), a, b), (a, b) => a - b],
    ['multiplication', (a, b) => multiply(DOUBLE, env(), a, b), (a, b) => a * b],
    ['division', (a, b) => divide(DOUBLE, env(), a, b), (a, b) => a / b],
    ['square root', (a) => squareRoot(DOUBLE, env(), a), (a) => Math.sqrt(a)],
  ];
  it.each(operations)('%s', (_name, ours, theirs) => {
    const r = new Random(7);
    for (let k = 0; k < 5000; k++) {
      const [a, b] = [number(r, 64), number(r, 64)];
      const expected = theirs(toNumber(a), toNumber(b));
      const actual = toNumber(ours(a, b));
      expect(Object.is(actual, expected), `${a.toString(16)} ${b.toString(16)}`).toBe(true);
    }
  });

  it('conversion to single is Math.fround', () => {
    const r = new Random(8);
    for (let k = 0; k < 5000; k++) {
      const a = number(r, 64);
      const expected = Math.fround(toNumber(a));
      if (!Number.isNaN(expected)) expect(convert(DOUBLE, SINGLE, env(), a)).toBe(single(expected));
    }
  });
});

describe('flags (Arm ARM D1.12, FPRound)', () => {
  it('an inexact result raises IXC and nothing else', () => {
    const e = env();
    divide(DOUBLE, e, toBits(1), toBits(3));
    expect(e.flags).toBe(FPSR.IXC);
  });
  it('tininess is detected before rounding: a result that rounds up to the smallest normal underflows', () => {
    const e = env();
    const belowNormal = multiply(SINGLE, e, 0x00ff_ffffn, single(0.5));
    expect(belowNormal).toBe(0x0080_0000n);
    expect(e.flags).toBe(FPSR.UFC | FPSR.IXC);
  });
  it('an exact denormal does not underflow', () => {
    const e = env();
    expect(multiply(SINGLE, e, 0x0080_0000n, single(0.5))).toBe(0x0040_0000n);
    expect(e.flags).toBe(0);
  });
  it('FZ flushes a tiny result with UFC but without IXC, and a denormal operand with IDC', () => {
    const result = env(FPCR.FZ);
    expect(multiply(SINGLE, result, 0x8080_0000n, single(0.5))).toBe(0x8000_0000n);
    expect(result.flags).toBe(FPSR.UFC);
    const operand = env(FPCR.FZ);
    expect(add(SINGLE, operand, 1n, 0n)).toBe(0n);
    expect(operand.flags).toBe(FPSR.IDC);
  });
  it('FZ16 flushes half-precision operands without IDC', () => {
    const e = env(FPCR.FZ16);
    expect(add(HALF, e, 1n, 0n)).toBe(0n);
    expect(e.flags).toBe(0);
  });
  it('overflow rounds toward zero where the mode says so', () => {
    const max = 0x7f7f_ffffn;
    expect(add(SINGLE, env(ROUND_DOWN), max, max)).toBe(max);
    expect(add(SINGLE, env(ROUND_UP), max, max)).toBe(0x7f80_0000n);
  });
});

describe('NaNs (Arm ARM A1.5.9)', () => {
  const quiet = 0x7fc0_1234n;
  const signaling = 0xff80_0001n;
  it('a signaling NaN wins over an earlier quiet one and is quieted', () => {
    const e = env();
    expect(add(SINGLE, e, quiet, signaling)).toBe(0xffc0_0001n);
    expect(e.flags).toBe(FPSR.IOC);
  });
  it('DN gives the default NaN', () => {
    expect(add(SINGLE, env(FPCR.DN), quiet, 0n)).toBe(0x7fc0_0000n);
  });
  it('FMADD with a quiet addend and infinity times zero is invalid', () => {
    const e = env();
    expect(multiplyAdd(SINGLE, e, quiet, 0x7f80_0000n, 0n)).toBe(0x7fc0_0000n);
    expect(e.flags).toBe(FPSR.IOC);
  });
  it('FMAXNM prefers a number to a quiet NaN, not to a signaling one', () => {
    expect(extreme(SINGLE, env(), quiet, single(1), true, true)).toBe(single(1));
    expect(extreme(SINGLE, env(), signaling, single(1), true, true)).toBe(0xffc0_0001n);
  });
  it('unordered comparisons give 0011, and IOC for quiet NaNs only where they signal', () => {
    const e = env();
    expect(compare(SINGLE, e, quiet, 0n, false)).toBe(0b0011);
    expect(e.flags).toBe(0);
    compare(SINGLE, e, quiet, 0n, true);
    expect(e.flags).toBe(FPSR.IOC);
  });
});

describe('fused multiply-add', () => {
  it('rounds once', () => {
    // (1 + 2^-52)^2 - (1 + 2^-51) = 2^-104: nothing of it survives two roundings.
    const a = toBits(1 + 2 ** -52);
    expect(toNumber(multiplyAdd(DOUBLE, env(), toBits(-(1 + 2 ** -51)), a, a))).toBe(2 ** -104);
  });
  it('an exact zero is minus zero only when rounding down', () => {
    const [one, minus] = [toBits(1), toBits(-1)];
    expect(multiplyAdd(DOUBLE, env(), minus, one, one)).toBe(0n);
    expect(multiplyAdd(DOUBLE, env(ROUND_DOWN), minus, one, one)).toBe(1n << 63n);
  });
});

describe('conversions', () => {
  it('half precision with AHP has numbers in place of infinities and NaNs', () => {
    const e = env(FPCR.AHP);
    expect(convert(SINGLE, HALF, e, single(65536))).toBe(0x7c00n);
    expect(convert(SINGLE, HALF, e, 0x7f80_0000n)).toBe(0x7fffn);
    expect(e.flags).toBe(FPSR.IOC);
    expect(convert(HALF, SINGLE, env(FPCR.AHP), 0x7c00n)).toBe(single(65536));
  });
  it('to integers saturate with IOC', () => {
    const e = env();
    expect(toFixed(DOUBLE, e, toBits(3e9), 32, 0, false, ROUND.zero)).toBe(0x7fff_ffffn);
    expect(toFixed(DOUBLE, e, toBits(-1), 32, 0, true, ROUND.zero)).toBe(0n);
    expect(e.flags).toBe(FPSR.IOC);
  });
  it('round halves away from zero, to even, up', () => {
    const of = (n: number, rounding: 0 | 1 | 4): bigint =>
      toFixed(DOUBLE, env(), toBits(n), 64, 0, false, rounding);
    expect([of(2.5, ROUND.tieAway), of(2.5, ROUND.tieEven), of(2.5, ROUND.up)]).toEqual([3n, 2n, 3n]);
  });
  it('fixed point scales by a power of two', () => {
    expect(toNumber(fromFixed(DOUBLE, env(), 3n, 32, 1, false))).toBe(1.5);
    expect(toFixed(DOUBLE, env(), toBits(1.5), 32, 4, false, ROUND.zero)).toBe(24n);
  });
  it('FJCVTZS wraps modulo 2^32; minus zero and a flushed denormal are not exact', () => {
    expect(toInt32(env(), toBits(2 ** 32 + 5))).toEqual({ value: 5n, exact: false });
    expect(toInt32(env(), toBits(-7))).toEqual({ value: 0xffff_fff9n, exact: true });
    expect(toInt32(env(), 1n << 63n).exact).toBe(false);
    expect(toInt32(env(FPCR.FZ), 1n)).toEqual({ value: 0n, exact: false });
  });
  it('FRINT32 gives -2^31 for what does not fit', () => {
    expect(toNumber(roundToWidth(DOUBLE, env(), toBits(2 ** 31), ROUND.zero, 32))).toBe(-(2 ** 31));
  });
});

describe('estimates (FPRecipEstimate, FPRSqrtEstimate)', () => {
  it('are within one part in 256', () => {
    for (let n = 1; n < 100; n += 0.37) {
      const reciprocal = toNumber(reciprocalEstimate(DOUBLE, env(), toBits(n)));
      const root = toNumber(reciprocalRootEstimate(DOUBLE, env(), toBits(n)));
      expect(Math.abs(reciprocal * n - 1)).toBeLessThan(1 / 256);
      expect(Math.abs(root * Math.sqrt(n) - 1)).toBeLessThan(1 / 256);
    }
  });
  it('of the smallest numbers overflow, of zero divide by zero', () => {
    const e = env();
    expect(reciprocalEstimate(SINGLE, e, 1n)).toBe(0x7f80_0000n);
    expect(e.flags).toBe(FPSR.OFC | FPSR.IXC);
    expect(reciprocalEstimate(SINGLE, e, 0n)).toBe(0x7f80_0000n);
    expect(e.flags & FPSR.DZC).toBe(FPSR.DZC);
  });
});
