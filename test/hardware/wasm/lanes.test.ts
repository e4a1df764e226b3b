// Lanes by shorter ways: memory is read and written as it was where the vector was made or taken apart.

import { describe, expect, it } from 'vitest';
import { Code, ModuleWriter, type Type } from '../../../src/hardware/wasm/index.ts';

const NUMBER = 0x0123_4567_89ab_cdefn;
/** A signaling NaN with a payload. */
const NAN = 0x7ff0_0000_dead_beefn;

function compile(result: Type, body: (c: Code) => void): { call: (at: number) => unknown; memory: DataView } {
  const module = new ModuleWriter();
  module.importMemory('m', 'm', 1, 1);
  const ref = module.declare(['i32'], [result], 'f');
  const code = new Code(module, ref.signature);
  body(code);
  module.define(ref, code.finish());
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { m: { m: memory } });
  return {
    call: instance.exports.f as (at: number) => unknown,
    memory: new DataView(memory.buffer),
  };
}

describe('a lane that was just put in', () => {
  it('is the number, with all bits of a NaN', () => {
    const { call } = compile('i64', (c) => {
      const n = c.i64(NAN).op('f64.reinterpret_i64');
      c.return(c.lane('i64x2.extract_lane', 0, c.lane('f64x2.replace_lane', 0, c.v128(1n), n)));
    });
    expect(call(0)).toBe(NAN);
  });

  it('is not what stands in another lane, or in a lane of another size', () => {
    const { call } = compile('i64', (c) => {
      const v = c.lane('f64x2.replace_lane', 1, c.v128(NUMBER), c.i64(NAN).op('f64.reinterpret_i64'));
      const w = c.lane('f32x4.replace_lane', 0, v, c.i32(7).op('f32.reinterpret_i32'));
      c.return(c.lane('i64x2.extract_lane', 0, w));
    });
    expect(call(0)).toBe(((NUMBER >> 32n) << 32n) | 7n);
  });
});

describe('vectors of what was loaded', () => {
  for (const [load, bits] of [
    ['i64.load', 64],
    ['i64.load32_u', 32],
  ] as const) {
    it(`${load}: hold it, zeros above`, () => {
      const { call, memory } = compile('i64', (c) => {
        const v = c.lane('i64x2.replace_lane', 0, c.v128(0n), c.load(load, c.param(0), 8, 'guest'));
        c.return(c.lane('i64x2.extract_lane', 0, v.op('v128.or', c.v128(0n))));
      });
      memory.setBigUint64(24, NUMBER, true);
      expect(call(16)).toBe(BigInt.asUintN(bits, NUMBER));
    });

    it(`${load}: hold what was there before a store`, () => {
      const { call, memory } = compile('i64', (c) => {
        const loaded = c.load(load, c.param(0), 8, 'guest');
        c.store('i64.store', c.param(0), 8, 0, 'guest');
        const v = c.lane('i64x2.replace_lane', 0, c.v128(0n), loaded);
        c.return(c.lane('i64x2.extract_lane', 0, v.op('v128.or', c.v128(0n))));
      });
      memory.setBigUint64(24, NUMBER, true);
      expect(call(16)).toBe(BigInt.asUintN(bits, NUMBER));
    });
  }

  it('hold it in all lanes of a splat', () => {
    const { call, memory } = compile('i64', (c) => {
      const narrow = c.load('i64.load32_u', c.param(0), 0, 'guest').wrap();
      c.return(c.lane('i64x2.extract_lane', 1, narrow.op('i32x4.splat')));
    });
    memory.setUint32(16, 0x89ab_cdef, true);
    expect(BigInt.asUintN(64, call(16) as bigint)).toBe(0x89ab_cdef_89ab_cdefn);
  });
});

describe('a store of the lowest lane', () => {
  for (const [store, bits] of [
    ['i64.store', 64],
    ['i64.store32', 32],
  ] as const) {
    it(`${store}: writes as many bits, of a vector and of a number put into one`, () => {
      const { call, memory } = compile('i32', (c) => {
        const v = c.load('v128.load', c.param(0), 0, 'guest');
        const number = c.i64(NAN).op('f64.reinterpret_i64');
        const w = c.lane('f64x2.replace_lane', 0, c.v128(0n), number);
        const single = c.lane(
          'f32x4.replace_lane',
          0,
          c.v128(0n),
          c.i32(0x7f80_0001).op('f32.reinterpret_i32'),
        );
        for (const [k, vector] of [v, w, single].entries()) {
          c.store(store, c.param(0), 16 + 8 * k, c.lane('i64x2.extract_lane', 0, vector), 'guest');
        }
        c.return(0);
      });
      memory.setBigUint64(0, NUMBER, true);
      call(0);
      const expected = [NUMBER, NAN, 0x7f80_0001n].map((n) => BigInt.asUintN(bits, n));
      expect([16, 24, 32].map((at) => memory.getBigUint64(at, true))).toEqual(expected);
    });
  }
});
