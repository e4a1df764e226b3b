// The function builder: what was written as dataflow must run as if each operation had happened where it was
// written, whatever was moved, kept in a local, folded or dropped.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Code, ModuleWriter, type Operand, type Type, type Value } from '../../../src/hardware/wasm/index.ts';

const PAGES = 1;

/** Compiles one function over a memory of its own. */
function compile(
  params: readonly Type[],
  result: Type,
  body: (c: Code) => void,
): { call: (...args: (number | bigint)[]) => number | bigint; memory: DataView; bytes: number } {
  const module = new ModuleWriter();
  module.importMemory('m', 'm', PAGES, PAGES);
  const ref = module.declare(params, [result], 'f');
  const code = new Code(module, ref.signature);
  body(code);
  const bytes = code.finish();
  module.define(ref, bytes);
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { m: { m: memory } });
  return {
    call: instance.exports.f as (...args: (number | bigint)[]) => number | bigint,
    memory: new DataView(memory.buffer),
    bytes: bytes.length,
  };
}

describe('order of reads and writes', () => {
  it('reads state as it was where the read was written, though used after a store', () => {
    const { call, memory } = compile(['i32'], 'i32', (c) => {
      const before = c.load('i32.load', c.param(0), 0, 'state');
      c.store('i32.store', c.param(0), 0, 5, 'state');
      const after = c.load('i32.load', c.param(0), 0, 'state');
      c.return(before.mul(100).add(after));
    });
    memory.setInt32(16, 7, true);
    expect(call(16)).toBe(705);
  });

  it('reads a variable as it was before a later assignment', () => {
    const { call } = compile(['i32'], 'i32', (c) => {
      const v = c.variable('i32', c.param(0));
      const old = v.get();
      v.set(old.add(1));
      c.return(old.shl(8).or(v.get()));
    });
    expect(call(3)).toBe(0x304);
  });

  it('computes a value once outside a loop that uses it', () => {
    const { call } = compile(['i32'], 'i32', (c) => {
      const sum = c.variable('i32', 0);
      const n = c.variable('i32', c.param(0));
      const first = n.get();
      c.scope((done) => {
        c.loop((again) => {
          c.branch(done, n.get().eqz());
          sum.set(sum.get().add(first));
          n.set(n.get().sub(1));
          c.branch(again);
        });
      });
      c.return(sum.get());
    });
    expect(call(9)).toBe(81);
  });

  it('keeps what a call may change apart from what was read before it', () => {
    const module = new ModuleWriter();
    module.importMemory('m', 'm', PAGES, PAGES);
    const bump = module.importFunction('f', 'bump', [], []);
    const ref = module.declare([], ['i32'], 'f');
    const c = new Code(module, ref.signature);
    const before = c.load('i32.load', c.i32(0), 0, 'state');
    c.call(bump);
    c.return(c.load('i32.load', c.i32(0), 0, 'state').sub(before));
    module.define(ref, c.finish());
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    const words = new Int32Array(memory.buffer);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
      m: { m: memory },
      f: { bump: () => void words.fill((words[0] as number) + 3, 0, 1) },
    });
    expect((instance.exports.f as () => number)()).toBe(3);
  });
});

describe('what is not emitted', () => {
  it('dead values', () => {
    const plain = compile(['i64'], 'i64', (c) => c.return(c.param(0)));
    const dead = compile(['i64'], 'i64', (c) => {
      c.param(0)
        .mul(3n)
        .add(c.load('i64.load', c.i32(8), 0, 'state'));
      c.return(c.param(0));
    });
    expect(dead.bytes).toBe(plain.bytes);
  });

  it('the arm of a condition that is known', () => {
    const { call, bytes } = compile([], 'i32', (c) => {
      c.if(
        c.i32(1).eq(1),
        () => c.return(7),
        () => c.return(8),
      );
    });
    expect(call()).toBe(7);
    expect(bytes).toBeLessThan(8);
  });
});

const INTEGER = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shrU', 'shrS', 'rotl', 'rotr'] as const;
const COMPARE = ['eq', 'ne', 'ltS', 'ltU', 'gtS', 'gtU', 'leS', 'leU', 'geS', 'geU'] as const;
const interesting = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    31n,
    32n,
    63n,
    64n,
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    (1n << 63n) - 1n,
    1n << 63n,
  ),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);

describe('folding of constants', () => {
  const agree = (type: 'i32' | 'i64', apply: (a: Value, b: Operand) => Value, x: bigint, y: bigint): void => {
    const bits = type === 'i64' ? 64 : 32;
    const [a, b] = [BigInt.asIntN(bits, x), BigInt.asIntN(bits, y)];
    const asResult = (v: Value): Value => (v.type === 'i64' ? v : v.zext());
    const folded = compile([], 'i64', (c) =>
      c.return(asResult(apply(c.constant(type, a), c.constant(type, b)))),
    );
    const run = compile([type, type], 'i64', (c) => c.return(asResult(apply(c.param(0), c.param(1)))));
    const half = compile([type], 'i64', (c) => c.return(asResult(apply(c.param(0), c.constant(type, b)))));
    const host = (n: bigint): number | bigint => (type === 'i64' ? n : Number(n));
    expect(folded.call()).toBe(run.call(host(a), host(b)));
    expect(half.call(host(a))).toBe(run.call(host(a), host(b)));
  };

  for (const type of ['i32', 'i64'] as const) {
    for (const name of [...INTEGER, ...COMPARE]) {
      it(`${type}.${name} gives what it gives at run time`, () => {
        fc.assert(
          fc.property(interesting, interesting, (x, y) => agree(type, (a, b) => a[name](b), x, y)),
          { numRuns: 20, seed: 1 },
        );
      });
    }
  }
});

describe('misuse', () => {
  it('names the instruction and the types that do not fit', () => {
    expect(() => compile(['i32', 'i64'], 'i32', (c) => c.return(c.param(0).add(c.param(1))))).toThrow(
      /i32\.add/,
    );
    expect(() => compile([], 'i32', (c) => c.return(c.op('i32.bogus', 1)))).toThrow(/i32\.bogus/);
  });
});
