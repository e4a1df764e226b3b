// COSE (RFC 9052, 9053) as far as CCA tokens need it: one signature over a payload, and elliptic-curve public keys.

import { p256, p384, p521 } from '@noble/curves/nist.js';
import { asBytes, asMap, decode, encode, tagged, untag } from './cbor.ts';
import { TokenError } from './error.ts';

const SIGN1 = 18;
/** Header parameter 1. */
const ALGORITHM = 1;

interface Algorithm {
  readonly name: string;
  readonly id: number;
  /** Value of `crv` in a COSE_Key, and of a JSON Web Key. */
  readonly curveId: number;
  readonly jwk: string;
  readonly bytes: number;
  readonly curve: typeof p384;
}

const ALGORITHMS: readonly Algorithm[] = [
  { name: 'ES256', id: -7, curveId: 1, jwk: 'P-256', bytes: 32, curve: p256 },
  { name: 'ES384', id: -35, curveId: 2, jwk: 'P-384', bytes: 48, curve: p384 },
  { name: 'ES512', id: -36, curveId: 3, jwk: 'P-521', bytes: 66, curve: p521 },
];
const ES384 = ALGORITHMS[1];

/** An ECDSA public key, in the curve's uncompressed form. */
export interface PublicKey {
  readonly algorithm: Algorithm;
  readonly point: Uint8Array;
}

// COSE_Key parameters.
const KTY = 1;
const EC2 = 2;
const CRV = -1;
const X = -2;
const Y = -3;

function keyOf(algorithm: Algorithm | undefined, x: Uint8Array, y: Uint8Array, what: string): PublicKey {
  if (!algorithm) throw new TokenError(`${what}: is on no curve that ECDSA tokens use`);
  const point = new Uint8Array(1 + 2 * algorithm.bytes);
  if (x.length > algorithm.bytes || y.length > algorithm.bytes)
    throw new TokenError(`${what}: its coordinates are too long`);
  point[0] = 4;
  point.set(x, 1 + algorithm.bytes - x.length);
  point.set(y, 1 + 2 * algorithm.bytes - y.length);
  return keyOfPoint(algorithm, point, what);
}

function keyOfPoint(algorithm: Algorithm | undefined, point: Uint8Array, what: string): PublicKey {
  if (!algorithm?.curve.utils.isValidPublicKey(point, false))
    throw new TokenError(`${what}: is no point of its curve`);
  return { algorithm, point };
}

/** COSE_Key of a P-384 point. */
export function encodeKey(point: Uint8Array): Uint8Array {
  const { curveId, bytes } = ES384;
  return encode(
    new Map<number, unknown>([
      [KTY, EC2],
      [CRV, curveId],
      [X, point.slice(1, 1 + bytes)],
      [Y, point.slice(1 + bytes)],
    ]),
  );
}

/** A COSE_Key, or the bare point that tokens had before they had a profile. Throws TokenError. */
export function decodeKey(bytes: Uint8Array, what: string): PublicKey {
  const bare = ALGORITHMS.find((a) => bytes.length === 1 + 2 * a.bytes);
  if (bytes[0] === 4 && bare) return keyOfPoint(bare, bytes, what);
  const key = asMap(decode(bytes, what), what);
  if (key.get(KTY) !== EC2) throw new TokenError(`${what}: is no elliptic-curve key`);
  const algorithm = ALGORITHMS.find(({ curveId }) => curveId === key.get(CRV));
  return keyOf(algorithm, asBytes(key.get(X), `${what}'s x`), asBytes(key.get(Y), `${what}'s y`), what);
}

/** A JSON Web Key (RFC 7518, 6.2). Throws TokenError. */
export function keyFromJwk(jwk: unknown, what: string): PublicKey {
  const { kty, crv, x, y } = (typeof jwk === 'object' && jwk !== null ? jwk : {}) as Record<string, unknown>;
  if (kty !== 'EC' || typeof x !== 'string' || typeof y !== 'string')
    throw new TokenError(`${what}: is no elliptic-curve JSON Web Key`);
  const algorithm = ALGORITHMS.find((a) => a.jwk === crv);
  return keyOf(algorithm, fromBase64Url(x, what), fromBase64Url(y, what), what);
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function fromBase64Url(text: string, what: string): Uint8Array {
  const out = new Uint8Array(Math.floor((text.length * 6) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of text) {
    const value = BASE64URL.indexOf(character);
    if (value < 0) throw new TokenError(`${what}: is not base64url`);
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[at++] = (bits >> held) & 0xff;
    }
  }
  return out;
}

/** A COSE_Sign1 message, read but not verified. */
export interface Sign1 {
  readonly protectedHeader: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** RFC 9052, 4.4: what is signed. */
const signedBytes = (protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array =>
  encode(['Signature1', protectedHeader, new Uint8Array(0), payload]);

/** Signs with ES384, always the same way (RFC 6979). */
export function sign1(payload: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const header = encode(new Map([[ALGORITHM, ES384.id]]));
  const signature = p384.sign(signedBytes(header, payload), secretKey, { lowS: false, prehash: true });
  return encode(tagged(SIGN1, [header, new Map(), payload, signature]));
}

/** Throws TokenError for what is no COSE_Sign1. */
export function decodeSign1(bytes: Uint8Array, what: string): Sign1 {
  const parts = untag(decode(bytes, what, SIGN1), SIGN1, what);
  if (!Array.isArray(parts) || parts.length !== 4) throw new TokenError(`${what}: is no COSE_Sign1`);
  const [header, unprotected, payload, signature]: unknown[] = parts;
  // Not signed, and nothing in it is used; but a message has it.
  asMap(unprotected, `${what}'s unprotected header`);
  return {
    protectedHeader: asBytes(header, `${what}'s header`),
    payload: asBytes(payload, `${what}'s payload`),
    signature: asBytes(signature, `${what}'s signature`),
  };
}

/** The name of the algorithm that the header names, or its number. */
export function algorithmOf({ protectedHeader }: Sign1, what: string): string {
  const id = asMap(decode(protectedHeader, what), what).get(ALGORITHM);
  return ALGORITHMS.find((a) => a.id === id)?.name ?? `algorithm ${String(id)}`;
}

/** Whether the signature is the key's, made with the key's algorithm. */
export function verify1(message: Sign1, key: PublicKey, what: string): boolean {
  const { algorithm, point } = key;
  if (algorithmOf(message, what) !== algorithm.name || message.signature.length !== 2 * algorithm.bytes)
    return false;
  const signed = signedBytes(message.protectedHeader, message.payload);
  return algorithm.curve.verify(message.signature, signed, point, { lowS: false, prehash: true });
}
