// Floating-point formats and the environment that operations run in (Arm ARM A1.4, C5.2.8 FPCR, C5.2.9 FPSR).
// Values are raw bit patterns in a bigint. This folder is arithmetic only: it knows no registers and no engine.

/** FPCR fields that arithmetic looks at. */
export const FPCR = {
  AHP: 1 << 26,
  DN: 1 << 25,
  FZ: 1 << 24,
  RMODE_SHIFT: 22,
  FZ16: 1 << 19,
} as const;

/** FPSR cumulative flags. */
export const FPSR = { IOC: 1, DZC: 2, OFC: 4, UFC: 8, IXC: 16, IDC: 128 } as const;

/** The first four are FPCR.RMode. */
export const ROUND = { tieEven: 0, up: 1, down: 2, zero: 3, tieAway: 4, odd: 5 } as const;
export type Rounding = (typeof ROUND)[keyof typeof ROUND];

export interface Format {
  readonly bits: 16 | 32 | 64;
  readonly fractionBits: number;
  /** All ones in the exponent field. */
  readonly maxExponent: number;
  readonly bias: number;
  readonly signBit: bigint;
  /** The fraction's top bit: set in quiet NaNs. */
  readonly quietBit: bigint;
  readonly fractionMask: bigint;
  readonly infinity: bigint;
  readonly defaultNaN: bigint;
}

function format(bits: 16 | 32 | 64, fractionBits: number): Format {
  const exponentBits = bits - 1 - fractionBits;
  const maxExponent = (1 << exponentBits) - 1;
  const infinity = BigInt(maxExponent) << BigInt(fractionBits);
  const quietBit = 1n << BigInt(fractionBits - 1);
  return {
    bits,
    fractionBits,
    maxExponent,
    bias: maxExponent >> 1,
    signBit: 1n << BigInt(bits - 1),
    quietBit,
    fractionMask: (1n << BigInt(fractionBits)) - 1n,
    infinity,
    defaultNaN: infinity | quietBit,
  };
}

export const HALF = format(16, 10);
export const SINGLE = format(32, 23);
export const DOUBLE = format(64, 52);
export const formatOf = (bits: number): Format => (bits === 16 ? HALF : bits === 32 ? SINGLE : DOUBLE);

/** FPCR as an operation sees it, and the flags that it raises. */
export class Environment {
  readonly fpcr: number;
  /** FPSR bits raised so far. */
  flags = 0;

  constructor(fpcr: number) {
    this.fpcr = fpcr;
  }
  raise(flag: number): void {
    this.flags |= flag;
  }
  get rounding(): Rounding {
    return ((this.fpcr >>> FPCR.RMODE_SHIFT) & 3) as Rounding;
  }
  get defaultNaN(): boolean {
    return (this.fpcr & FPCR.DN) !== 0;
  }
  get alternativeHalf(): boolean {
    return (this.fpcr & FPCR.AHP) !== 0;
  }
  flushes(f: Format): boolean {
    return (this.fpcr & (f.bits === 16 ? FPCR.FZ16 : FPCR.FZ)) !== 0;
  }
}

export type Kind = 'zero' | 'finite' | 'infinity' | 'quiet' | 'signaling';

/** A number taken apart: finite values are mantissa * 2^exponent. */
export interface Unpacked {
  readonly kind: Kind;
  readonly sign: 0 | 1;
  readonly mantissa: bigint;
  readonly exponent: number;
}

export const isNan = (u: Unpacked): boolean => u.kind === 'quiet' || u.kind === 'signaling';

/** FPUnpackBase. `alternative`: half precision without infinities and NaNs; `flush`: denormals count as zero. */
function unpackBase(f: Format, e: Environment, a: bigint, flush: boolean, alternative: boolean): Unpacked {
  const sign = (a & f.signBit) === 0n ? 0 : 1;
  const fraction = a & f.fractionMask;
  const biased = Number((a >> BigInt(f.fractionBits)) & BigInt(f.maxExponent));
  const exponent = Math.max(biased, 1) - f.bias - f.fractionBits;
  if (biased === 0) {
    if (fraction === 0n) return { kind: 'zero', sign, mantissa: 0n, exponent };
    if (!flush) return { kind: 'finite', sign, mantissa: fraction, exponent };
    // Half-precision inputs are flushed without a trace.
    if (f.bits !== 16) e.raise(FPSR.IDC);
    return { kind: 'zero', sign, mantissa: 0n, exponent };
  }
  if (biased === f.maxExponent && !alternative) {
    const kind = fraction === 0n ? 'infinity' : (fraction & f.quietBit) !== 0n ? 'quiet' : 'signaling';
    return { kind, sign, mantissa: 0n, exponent };
  }
  return { kind: 'finite', sign, mantissa: fraction | (f.fractionMask + 1n), exponent };
}

/** FPUnpack: for arithmetic. */
export function unpack(f: Format, e: Environment, a: bigint): Unpacked {
  return unpackBase(f, e, a, e.flushes(f), false);
}

/** FPUnpackCV: for conversions between formats, where FPCR.AHP applies and FZ16 does not. */
export function unpackForConversion(f: Format, e: Environment, a: bigint): Unpacked {
  const half = f.bits === 16;
  return unpackBase(f, e, a, !half && e.flushes(f), half && e.alternativeHalf);
}

export const zero = (f: Format, sign: number): bigint => (sign ? f.signBit : 0n);
export const infinity = (f: Format, sign: number): bigint => zero(f, sign) | f.infinity;
export const maxNormal = (f: Format, sign: number): bigint => zero(f, sign) | (f.infinity - 1n);
export const negate = (f: Format, a: bigint): bigint => a ^ f.signBit;
export const absolute = (f: Format, a: bigint): bigint => a & (f.signBit - 1n);
