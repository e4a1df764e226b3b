// The WebAssembly instructions that the engine may emit, by their names in the specification (core 2.0 with
// SIMD and tail calls). A row gives the encoding and the types; nothing here knows AArch64.

export type Type = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

export const TYPE_CODE: Record<Type, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

export interface Opcode {
  readonly name: string;
  /** The name without its type: what it computes. */
  readonly operation: string;
  /** Encoded opcode, with its prefix. */
  readonly bytes: readonly number[];
  readonly params: readonly Type[];
  readonly result: Type | undefined;
  /** What follows the opcode: nothing, a memory argument, a lane index, both, or 16 lane indices. */
  readonly immediate: 'none' | 'memory' | 'lane' | 'memory-lane' | 'shuffle';
  /** May trap on some operands, so it must not be moved to where it would not have run. */
  readonly traps: boolean;
}

const table = new Map<string, Opcode>();

const uleb = (n: number): number[] => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...uleb(n >>> 7)]);

function define(
  name: string,
  bytes: number[],
  params: string,
  result: Type | undefined,
  immediate: Opcode['immediate'] = 'none',
): void {
  const traps = /\.(div|rem)_|trunc_f/.test(name) && !name.includes('x');
  table.set(name, {
    name,
    operation: name.slice(name.indexOf('.') + 1),
    bytes,
    params: params.split(' ').filter(Boolean) as Type[],
    result,
    immediate,
    traps,
  });
}

/** Consecutive opcodes from `first` on; '-' leaves one out. */
function run(
  prefix: string,
  first: number,
  names: string,
  params: string,
  result: Type,
  simd = false,
  immediate: Opcode['immediate'] = 'none',
): void {
  names.split(' ').forEach((name, k) => {
    if (name !== '-')
      define(prefix + name, simd ? [0xfd, ...uleb(first + k)] : [first + k], params, result, immediate);
  });
}

define('select', [0x1b], '', undefined);
run('i32.load', 0x28, ' - - - 8_s 8_u 16_s 16_u', 'i32', 'i32', false, 'memory');
define('i64.load', [0x29], 'i32', 'i64', 'memory');
define('f32.load', [0x2a], 'i32', 'f32', 'memory');
define('f64.load', [0x2b], 'i32', 'f64', 'memory');
run('i64.load', 0x30, '8_s 8_u 16_s 16_u 32_s 32_u', 'i32', 'i64', false, 'memory');
define('i32.store', [0x36], 'i32 i32', undefined, 'memory');
define('i64.store', [0x37], 'i32 i64', undefined, 'memory');
define('f32.store', [0x38], 'i32 f32', undefined, 'memory');
define('f64.store', [0x39], 'i32 f64', undefined, 'memory');
define('i32.store8', [0x3a], 'i32 i32', undefined, 'memory');
define('i32.store16', [0x3b], 'i32 i32', undefined, 'memory');
define('i64.store8', [0x3c], 'i32 i64', undefined, 'memory');
define('i64.store16', [0x3d], 'i32 i64', undefined, 'memory');
define('i64.store32', [0x3e], 'i32 i64', undefined, 'memory');

const COMPARE = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
const FCOMPARE = 'eq ne lt gt le ge';
const INTEGER = 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';
run('i32.', 0x45, 'eqz', 'i32', 'i32');
run('i32.', 0x46, COMPARE, 'i32 i32', 'i32');
run('i64.', 0x50, 'eqz', 'i64', 'i32');
run('i64.', 0x51, COMPARE, 'i64 i64', 'i32');
run('f32.', 0x5b, FCOMPARE, 'f32 f32', 'i32');
run('f64.', 0x61, FCOMPARE, 'f64 f64', 'i32');
run('i32.', 0x67, 'clz ctz popcnt', 'i32', 'i32');
run('i32.', 0x6a, INTEGER, 'i32 i32', 'i32');
run('i64.', 0x79, 'clz ctz popcnt', 'i64', 'i64');
run('i64.', 0x7c, INTEGER, 'i64 i64', 'i64');
for (const [f, unary, binary] of [
  ['f32', 0x8b, 0x92],
  ['f64', 0x99, 0xa0],
] as const) {
  run(`${f}.`, unary, 'abs neg ceil floor trunc nearest sqrt', f, f);
  run(`${f}.`, binary, 'add sub mul div min max copysign', `${f} ${f}`, f);
}
define('i32.wrap_i64', [0xa7], 'i64', 'i32');
define('i64.extend_i32_s', [0xac], 'i32', 'i64');
define('i64.extend_i32_u', [0xad], 'i32', 'i64');
run('f32.convert_', 0xb2, 'i32_s i32_u', 'i32', 'f32');
run('f32.convert_', 0xb4, 'i64_s i64_u', 'i64', 'f32');
define('f32.demote_f64', [0xb6], 'f64', 'f32');
run('f64.convert_', 0xb7, 'i32_s i32_u', 'i32', 'f64');
run('f64.convert_', 0xb9, 'i64_s i64_u', 'i64', 'f64');
define('f64.promote_f32', [0xbb], 'f32', 'f64');
define('i32.reinterpret_f32', [0xbc], 'f32', 'i32');
define('i64.reinterpret_f64', [0xbd], 'f64', 'i64');
define('f32.reinterpret_i32', [0xbe], 'i32', 'f32');
define('f64.reinterpret_i64', [0xbf], 'i64', 'f64');
run('i32.', 0xc0, 'extend8_s extend16_s', 'i32', 'i32');
run('i64.', 0xc2, 'extend8_s extend16_s extend32_s', 'i64', 'i64');
for (const [k, name] of [
  'i32.trunc_sat_f32',
  'i32.trunc_sat_f64',
  'i64.trunc_sat_f32',
  'i64.trunc_sat_f64',
].entries()) {
  for (const sign of [0, 1]) {
    const from = name.slice(-3) as Type;
    define(`${name}_${sign ? 'u' : 's'}`, [0xfc, k * 2 + sign], from, name.slice(0, 3) as Type);
  }
}

const V = 'v128';
run(
  'v128.',
  0,
  'load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u load8_splat load16_splat load32_splat load64_splat',
  'i32',
  V,
  true,
  'memory',
);
define('v128.store', [0xfd, 11], 'i32 v128', undefined, 'memory');
define('i8x16.shuffle', [0xfd, 13], 'v128 v128', V, 'shuffle');
define('i8x16.swizzle', [0xfd, 14], 'v128 v128', V);
for (const [k, [shape, lane]] of (
  [
    ['i8x16', 'i32'],
    ['i16x8', 'i32'],
    ['i32x4', 'i32'],
    ['i64x2', 'i64'],
    ['f32x4', 'f32'],
    ['f64x2', 'f64'],
  ] as const
).entries()) {
  define(`${shape}.splat`, [0xfd, 15 + k], lane, V);
  const extract = [21, 24, 27, 29, 31, 33][k] as number;
  const signs = k < 2 ? ['_s', '_u'] : [''];
  signs.forEach((sign, s) => {
    define(`${shape}.extract_lane${sign}`, [0xfd, extract + s], V, lane, 'lane');
  });
  define(`${shape}.replace_lane`, [0xfd, extract + signs.length], `v128 ${lane}`, V, 'lane');
}
const VV = 'v128 v128';
run('i8x16.', 35, COMPARE, VV, V, true);
run('i16x8.', 45, COMPARE, VV, V, true);
run('i32x4.', 55, COMPARE, VV, V, true);
run('f32x4.', 65, FCOMPARE, VV, V, true);
run('f64x2.', 71, FCOMPARE, VV, V, true);
run('v128.', 77, 'not', V, V, true);
run('v128.', 78, 'and andnot or xor', VV, V, true);
run('v128.', 82, 'bitselect', 'v128 v128 v128', V, true);
run('v128.', 83, 'any_true', V, 'i32', true);
run('v128.', 84, 'load8_lane load16_lane load32_lane load64_lane', 'i32 v128', V, true, 'memory-lane');
['store8_lane', 'store16_lane', 'store32_lane', 'store64_lane'].forEach((name, k) => {
  define(`v128.${name}`, [0xfd, 88 + k], 'i32 v128', undefined, 'memory-lane');
});
run('v128.', 92, 'load32_zero load64_zero', 'i32', V, true, 'memory');
run('', 94, 'f32x4.demote_f64x2_zero f64x2.promote_low_f32x4', V, V, true);

/** SIMD rows where one opcode range mixes arities: u = v128 -> v128, b = two v128, s = shift by i32, t = test to i32. */
function mixed(first: number, spec: string): void {
  const shapes = { u: [V, V], b: [VV, V], s: ['v128 i32', V], t: [V, 'i32'] } as const;
  spec
    .trim()
    .split(/\s+/)
    .forEach((entry, k) => {
      if (entry === '-') return;
      const [name, kind] = entry.split(':') as [string, keyof typeof shapes];
      define(name, [0xfd, ...uleb(first + k)], shapes[kind][0], shapes[kind][1]);
    });
}
mixed(
  96,
  `i8x16.abs:u i8x16.neg:u i8x16.popcnt:u i8x16.all_true:t i8x16.bitmask:t i8x16.narrow_i16x8_s:b i8x16.narrow_i16x8_u:b
  f32x4.ceil:u f32x4.floor:u f32x4.trunc:u f32x4.nearest:u i8x16.shl:s i8x16.shr_s:s i8x16.shr_u:s
  i8x16.add:b i8x16.add_sat_s:b i8x16.add_sat_u:b i8x16.sub:b i8x16.sub_sat_s:b i8x16.sub_sat_u:b f64x2.ceil:u f64x2.floor:u
  i8x16.min_s:b i8x16.min_u:b i8x16.max_s:b i8x16.max_u:b f64x2.trunc:u i8x16.avgr_u:b
  i16x8.extadd_pairwise_i8x16_s:u i16x8.extadd_pairwise_i8x16_u:u i32x4.extadd_pairwise_i16x8_s:u i32x4.extadd_pairwise_i16x8_u:u
  i16x8.abs:u i16x8.neg:u i16x8.q15mulr_sat_s:b i16x8.all_true:t i16x8.bitmask:t i16x8.narrow_i32x4_s:b i16x8.narrow_i32x4_u:b
  i16x8.extend_low_i8x16_s:u i16x8.extend_high_i8x16_s:u i16x8.extend_low_i8x16_u:u i16x8.extend_high_i8x16_u:u
  i16x8.shl:s i16x8.shr_s:s i16x8.shr_u:s i16x8.add:b i16x8.add_sat_s:b i16x8.add_sat_u:b i16x8.sub:b i16x8.sub_sat_s:b i16x8.sub_sat_u:b
  f64x2.nearest:u i16x8.mul:b i16x8.min_s:b i16x8.min_u:b i16x8.max_s:b i16x8.max_u:b - i16x8.avgr_u:b
  i16x8.extmul_low_i8x16_s:b i16x8.extmul_high_i8x16_s:b i16x8.extmul_low_i8x16_u:b i16x8.extmul_high_i8x16_u:b
  i32x4.abs:u i32x4.neg:u - i32x4.all_true:t i32x4.bitmask:t - - i32x4.extend_low_i16x8_s:u i32x4.extend_high_i16x8_s:u i32x4.extend_low_i16x8_u:u i32x4.extend_high_i16x8_u:u
  i32x4.shl:s i32x4.shr_s:s i32x4.shr_u:s i32x4.add:b - - i32x4.sub:b - - - i32x4.mul:b i32x4.min_s:b i32x4.min_u:b i32x4.max_s:b i32x4.max_u:b i32x4.dot_i16x8_s:b -
  i32x4.extmul_low_i16x8_s:b i32x4.extmul_high_i16x8_s:b i32x4.extmul_low_i16x8_u:b i32x4.extmul_high_i16x8_u:b
  i64x2.abs:u i64x2.neg:u - i64x2.all_true:t i64x2.bitmask:t - - i64x2.extend_low_i32x4_s:u i64x2.extend_high_i32x4_s:u i64x2.extend_low_i32x4_u:u i64x2.extend_high_i32x4_u:u
  i64x2.shl:s i64x2.shr_s:s i64x2.shr_u:s i64x2.add:b - - i64x2.sub:b - - - i64x2.mul:b
  i64x2.eq:b i64x2.ne:b i64x2.lt_s:b i64x2.gt_s:b i64x2.le_s:b i64x2.ge_s:b
  i64x2.extmul_low_i32x4_s:b i64x2.extmul_high_i32x4_s:b i64x2.extmul_low_i32x4_u:b i64x2.extmul_high_i32x4_u:b
  f32x4.abs:u f32x4.neg:u - f32x4.sqrt:u f32x4.add:b f32x4.sub:b f32x4.mul:b f32x4.div:b f32x4.min:b f32x4.max:b f32x4.pmin:b f32x4.pmax:b
  f64x2.abs:u f64x2.neg:u - f64x2.sqrt:u f64x2.add:b f64x2.sub:b f64x2.mul:b f64x2.div:b f64x2.min:b f64x2.max:b f64x2.pmin:b f64x2.pmax:b
  i32x4.trunc_sat_f32x4_s:u i32x4.trunc_sat_f32x4_u:u f32x4.convert_i32x4_s:u f32x4.convert_i32x4_u:u
  i32x4.trunc_sat_f64x2_s_zero:u i32x4.trunc_sat_f64x2_u_zero:u f64x2.convert_low_i32x4_s:u f64x2.convert_low_i32x4_u:u`,
);

/** Looks an instruction up by its name in the specification. Throws where there is none: a misspelt row. */
export function opcode(name: string): Opcode {
  const found = table.get(name);
  if (!found) throw new Error(`no WebAssembly instruction is called ${name}`);
  return found;
}

export const opcodeNames = (): string[] => [...table.keys()];
