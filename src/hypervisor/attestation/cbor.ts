// CBOR (RFC 8949) as tokens use it: deterministic encoding, maps with numbers as keys, and decoding of bytes from
// anywhere. What cborg throws becomes a TokenError.

import { type DecodeOptions, decode as decodeWith, encode as encodeWith, Tagged } from 'cborg';
import { TokenError } from './error.ts';

export const encode = (value: unknown): Uint8Array => encodeWith(value);

export const tagged = (tag: number, value: unknown): Tagged => new Tagged(tag, value);

/** One item and nothing after it; `tags` are those that it may have, and come back as Tagged. Throws TokenError. */
export function decode(bytes: Uint8Array, what: string, ...tags: readonly number[]): unknown {
  const options: DecodeOptions = {
    useMaps: true,
    rejectDuplicateMapKeys: true,
    allowIndefinite: false,
    tags: Object.fromEntries(tags.map((tag) => [tag, Tagged.decoder(tag)])),
  };
  try {
    const value: unknown = decodeWith(bytes, options);
    return value;
  } catch (error) {
    throw new TokenError(`${what}: no CBOR (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** The value of an item with this tag. Throws TokenError for any other. */
export function untag(value: unknown, tag: number, what: string): unknown {
  if (!(value instanceof Tagged) || value.tag !== tag) throw new TokenError(`${what}: has no tag ${tag}`);
  return value.value;
}

export function asMap(value: unknown, what: string): ReadonlyMap<unknown, unknown> {
  if (!(value instanceof Map)) throw new TokenError(`${what}: is no map`);
  return value;
}

export function asBytes(value: unknown, what: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TokenError(`${what}: is no byte string`);
  return value;
}
