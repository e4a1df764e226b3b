// The claims of a CCA attestation token (draft-ffm-rats-cca-token, RMM specification 1.0 A7.2), one row each: number,
// name, what may stand there.

import { TokenError } from './error.ts';

type Kind = 'bytes' | 'text' | 'number' | 'measurements' | 'components';

export interface Claim {
  readonly key: number;
  readonly name: string;
  readonly kind: Kind;
  /** Of bytes: the lengths that there are. */
  readonly lengths?: readonly number[];
  readonly optional?: boolean;
}

const HASH_LENGTHS = [32, 48, 64];

export const PROFILE = 265;
export const CHALLENGE = 10;

// Platform.
export const IMPLEMENTATION_ID = 2396;
export const INSTANCE_ID = 256;
export const CONFIG = 2401;
export const LIFECYCLE = 2395;
export const PLATFORM_HASH = 2402;
export const COMPONENTS = 2399;
export const VERIFICATION_SERVICE = 2400;

// Realm.
export const PERSONALIZATION = 44235;
export const REALM_HASH = 44236;
export const PUBLIC_KEY = 44237;
export const INITIAL_MEASUREMENT = 44238;
export const EXTENSIBLE_MEASUREMENTS = 44239;
export const PUBLIC_KEY_HASH = 44240;

export const PLATFORM_PROFILE = 'tag:arm.com,2023:cca_platform#1.0.0';
export const REALM_PROFILE = 'tag:arm.com,2023:realm#1.0.0';

export const PLATFORM_CLAIMS: readonly Claim[] = [
  { key: PROFILE, name: 'profile', kind: 'text' },
  { key: CHALLENGE, name: 'challenge', kind: 'bytes', lengths: HASH_LENGTHS },
  { key: IMPLEMENTATION_ID, name: 'implementation-id', kind: 'bytes', lengths: [32] },
  { key: INSTANCE_ID, name: 'instance-id', kind: 'bytes', lengths: [33] },
  { key: CONFIG, name: 'config', kind: 'bytes' },
  { key: LIFECYCLE, name: 'lifecycle', kind: 'number' },
  { key: PLATFORM_HASH, name: 'hash-algo-id', kind: 'text' },
  { key: COMPONENTS, name: 'sw-components', kind: 'components' },
  { key: VERIFICATION_SERVICE, name: 'verification-service', kind: 'text', optional: true },
];

export const REALM_CLAIMS: readonly Claim[] = [
  // Absent before there was more than one.
  { key: PROFILE, name: 'profile', kind: 'text', optional: true },
  { key: CHALLENGE, name: 'challenge', kind: 'bytes', lengths: [64] },
  { key: PERSONALIZATION, name: 'personalization-value', kind: 'bytes', lengths: [64] },
  { key: INITIAL_MEASUREMENT, name: 'initial-measurement', kind: 'bytes', lengths: HASH_LENGTHS },
  { key: EXTENSIBLE_MEASUREMENTS, name: 'extensible-measurements', kind: 'measurements' },
  { key: REALM_HASH, name: 'hash-algo-id', kind: 'text' },
  { key: PUBLIC_KEY, name: 'public-key', kind: 'bytes' },
  { key: PUBLIC_KEY_HASH, name: 'public-key-hash-algo-id', kind: 'text' },
];

/** Of a software component in a platform token. */
export const COMPONENT_CLAIMS: readonly Claim[] = [
  { key: 1, name: 'measurement-type', kind: 'text', optional: true },
  { key: 2, name: 'measurement-value', kind: 'bytes', lengths: HASH_LENGTHS },
  { key: 4, name: 'version', kind: 'text', optional: true },
  { key: 5, name: 'signer-id', kind: 'bytes', lengths: HASH_LENGTHS },
  { key: 6, name: 'hash-algo-id', kind: 'text', optional: true },
];

/** Claims by name, bytes in hexadecimal: what people and JSON see. */
export interface ReadableClaims {
  readonly [name: string]: string | number | readonly string[] | readonly ReadableClaims[];
}

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Throws TokenError where a claim is missing, of another kind, or unknown. */
export function readClaims(
  claims: ReadonlyMap<unknown, unknown>,
  rows: readonly Claim[],
  what: string,
): ReadableClaims {
  const out: Record<string, ReadableClaims[string]> = {};
  const unknown = [...claims.keys()].find((key) => !rows.some((row) => row.key === key));
  if (unknown !== undefined) throw new TokenError(`${what}: there is no claim ${String(unknown)}`);
  for (const row of rows) {
    const value = claims.get(row.key);
    if (value !== undefined) out[row.name] = readable(row, value, `${what}'s ${row.name}`);
    else if (!row.optional) throw new TokenError(`${what}: lacks ${row.name} (claim ${row.key})`);
  }
  return out;
}

function readable(row: Claim, value: unknown, what: string): ReadableClaims[string] {
  const isBytes = (bytes: unknown, lengths = row.lengths): bytes is Uint8Array =>
    bytes instanceof Uint8Array && (lengths?.includes(bytes.length) ?? true);
  if (row.kind === 'text' && typeof value === 'string') return value;
  if (row.kind === 'number' && typeof value === 'number') return value;
  if (row.kind === 'bytes' && isBytes(value)) return hex(value);
  if (row.kind === 'measurements' && Array.isArray(value) && value.length === 4) {
    const list: unknown[] = value;
    if (list.every((one) => isBytes(one, HASH_LENGTHS))) return list.map(hex);
  }
  if (row.kind === 'components' && Array.isArray(value) && value.length > 0) {
    const list: unknown[] = value;
    if (list.every((one) => one instanceof Map))
      return list.map((one) => readClaims(one, COMPONENT_CLAIMS, what));
  }
  throw new TokenError(`${what}: is not what the format has there`);
}
