// Reads a CCA attestation token and checks what can be checked without reference values: that the platform token is
// signed by the key that one trusts, that it names the key of the realm token, and that this key signed the realm token.

import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { CCA_TOKEN, PLATFORM_TOKEN, REALM_TOKEN } from './attester.ts';
import { asBytes, asMap, decode, untag } from './cbor.ts';
import {
  type Claim,
  hex,
  PLATFORM_CLAIMS,
  PUBLIC_KEY,
  PUBLIC_KEY_HASH,
  REALM_CLAIMS,
  type ReadableClaims,
  readClaims,
} from './claims.ts';
import { algorithmOf, decodeKey, decodeSign1, type PublicKey, type Sign1, verify1 } from './cose.ts';
import { TokenError } from './error.ts';

const HASHES: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  'sha-256': sha256,
  'sha-384': sha384,
  'sha-512': sha512,
};

export interface TokenCheck {
  /** What must hold, in a few words; where it does not, perhaps with the reason. */
  readonly says: string;
  readonly holds: boolean;
}

export interface TokenReport {
  readonly verified: boolean;
  readonly checks: readonly TokenCheck[];
  /** Absent where the claims cannot be read. */
  readonly platform?: ReadableClaims;
  readonly realm?: ReadableClaims;
}

interface Part {
  readonly what: string;
  readonly message: Sign1;
  /** Claims as they stand there. */
  readonly raw: ReadonlyMap<unknown, unknown>;
  readonly claims: ReadableClaims | undefined;
  readonly complete: TokenCheck;
}

/** A nested token. Throws TokenError where it is none. */
function readPart(bytes: unknown, what: string, rows: readonly Claim[]): Part {
  const message = decodeSign1(asBytes(bytes, what), what);
  const says = `${what} has every claim of its format`;
  try {
    const raw = asMap(decode(message.payload, `${what}'s claims`), `${what}'s claims`);
    return { what, message, raw, claims: readClaims(raw, rows, what), complete: { says, holds: true } };
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const complete = { says: `${says} (${error.message})`, holds: false };
    return { what, message, raw: new Map(), claims: undefined, complete };
  }
}

/** The key that a realm token names, with what the platform token should say of it. */
function realmKey(realm: Part): { readonly key: PublicKey; readonly digest: string } | undefined {
  const bytes = realm.raw.get(PUBLIC_KEY);
  const hash = HASHES[String(realm.raw.get(PUBLIC_KEY_HASH))];
  if (!(bytes instanceof Uint8Array) || !hash) return undefined;
  try {
    return { key: decodeKey(bytes, 'the realm key'), digest: hex(hash(bytes)) };
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}

const signedBy = (part: Part, key: PublicKey | undefined, whose: string): TokenCheck => ({
  says: `${part.what} is signed by ${whose} (${algorithmOf(part.message, part.what)})`,
  holds: key !== undefined && verify1(part.message, key, part.what),
});

/** Throws TokenError where the bytes are no token; a token that does not verify is a report that says so. */
export function verifyToken(bytes: Uint8Array, cpak: PublicKey): TokenReport {
  const collection = asMap(untag(decode(bytes, 'the token', CCA_TOKEN), CCA_TOKEN, 'the token'), 'the token');
  const platform = readPart(collection.get(PLATFORM_TOKEN), 'the platform token', PLATFORM_CLAIMS);
  const realm = readPart(collection.get(REALM_TOKEN), 'the realm token', REALM_CLAIMS);
  const rak = realmKey(realm);
  const checks = [
    platform.complete,
    realm.complete,
    signedBy(platform, cpak, "the platform's key"),
    {
      says: "the platform token's challenge is the hash of the realm's key",
      holds: rak !== undefined && rak.digest === platform.claims?.challenge,
    },
    signedBy(realm, rak?.key, "the realm's key"),
  ];
  return {
    verified: checks.every(({ holds }) => holds),
    checks,
    ...(platform.claims ? { platform: platform.claims } : {}),
    ...(realm.claims ? { realm: realm.claims } : {}),
  };
}
