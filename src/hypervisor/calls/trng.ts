// The True Random Number Generator firmware interface 1.0 (DEN0098). Where the randomness comes from is the
// VM's creator's to say.

import { BOTH_CONDUITS, type CallOutcome, type FunctionCall, in64Bit, NOT_SUPPORTED } from './call.ts';
import type { FunctionTable } from './dispatcher.ts';

/** Fills the array with random bytes; false where there is no entropy now. */
export type RandomSource = (into: Uint8Array) => boolean;

const VERSION_1_0 = 0x10000;
const SUCCESS = 0;
const INVALID_PARAMETERS = -2;
const NO_ENTROPY = -3;

const TRNG_VERSION = 0x84000050;
const TRNG_FEATURES = 0x84000051;
const TRNG_GET_UUID = 0x84000052;
const TRNG_RND = 0x84000053;

/** Names this back end: 6e8c2f4a-91d3-4b57-a0c6-52494e474645, bytes in the order of W0 to W3. */
const UUID = [0x4a2f8c6e, 0x574bd391, 0x4952c6a0, 0x4546474e] as const;

/** `bits` random bits, right-aligned in X1:X2:X3 (or W1:W2:W3), the rest zero (DEN0098 2.6). */
function random(call: FunctionCall, source: RandomSource, width: 32 | 64): CallOutcome {
  const bits = Number(call.arg(1));
  if (bits < 1 || bits > 3 * width) return call.result(INVALID_PARAMETERS);
  const bytes = new Uint8Array(Math.ceil(bits / 8));
  if (!source(bytes)) return call.result(NO_ENTROPY);
  let all = 0n;
  for (const byte of bytes) all = (all << 8n) | BigInt(byte);
  all = BigInt.asUintN(bits, all);
  const word = (n: number) => BigInt.asUintN(width, all >> BigInt(n * width));
  return call.result(SUCCESS, word(2), word(1), word(0));
}

export const trngFunctions =
  (source: RandomSource): FunctionTable =>
  (functions) => {
    const conduits = BOTH_CONDUITS;
    return [
      { id: TRNG_VERSION, name: 'TRNG_VERSION', conduits, handle: (call) => call.result(VERSION_1_0) },
      {
        id: TRNG_FEATURES,
        name: 'TRNG_FEATURES',
        conduits,
        handle: (call) => {
          const id = Number(call.arg(1));
          const ours =
            id >= TRNG_VERSION && id <= in64Bit(TRNG_RND) && (id & 0xff) >= 0x50 && (id & 0xff) <= 0x53;
          return call.result(ours && functions.has(id, call.conduit) ? SUCCESS : NOT_SUPPORTED);
        },
      },
      {
        id: TRNG_GET_UUID,
        name: 'TRNG_GET_UUID',
        conduits,
        handle: (call) => call.result(...UUID),
      },
      { id: TRNG_RND, name: 'TRNG_RND (32-bit)', conduits, handle: (call) => random(call, source, 32) },
      {
        id: in64Bit(TRNG_RND),
        name: 'TRNG_RND (64-bit)',
        conduits,
        handle: (call) => random(call, source, 64),
      },
    ];
  };
