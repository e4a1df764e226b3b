// Who makes a realm's attestation tokens (draft-ffm-rats-cca-token): a platform token, signed by the platform's key (CPAK),
// and in it the hash of the public half of the key (RAK) that signs the realm token. The CPAK is a development key that
// anybody can have; the RAK is new for each boot where the machine has a random source, and else one as well.

import { p384 } from '@noble/curves/nist.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { encode, tagged } from './cbor.ts';
import {
  CHALLENGE,
  COMPONENTS,
  CONFIG,
  EXTENSIBLE_MEASUREMENTS,
  IMPLEMENTATION_ID,
  INITIAL_MEASUREMENT,
  INSTANCE_ID,
  LIFECYCLE,
  PERSONALIZATION,
  PLATFORM_HASH,
  PLATFORM_PROFILE,
  PROFILE,
  PUBLIC_KEY,
  PUBLIC_KEY_HASH,
  REALM_HASH,
  REALM_PROFILE,
} from './claims.ts';
import { decodeKey, encodeKey, type PublicKey, sign1 } from './cose.ts';

export const CCA_TOKEN = 399;
export const PLATFORM_TOKEN = 44234;
export const REALM_TOKEN = 44241;

/** No token is longer. */
export const TOKEN_BYTES = 4096;

/** What a realm token says of a realm, all by SHA-256. */
export interface RealmEvidence {
  /** 64 bytes. */
  readonly challenge: Uint8Array;
  /** 64 bytes. */
  readonly personalization: Uint8Array;
  readonly initialMeasurement: Uint8Array;
  readonly extensibleMeasurements: readonly Uint8Array[];
}

/** Fills a buffer with random bytes; false where it has none. */
export type Entropy = (into: Uint8Array) => boolean;

const SHA_256 = 'sha-256';
/** EAT UEID of type RAND. */
const UEID_RAND = 1;
/** "Secured". */
const SECURED = 0x3000;
/** Bytes that a secret key of P-384 is made from. */
const SEED_BYTES = 72;

/** A named value, for what has none in an emulator: the digest of its name. */
const named = (name: string): Uint8Array => sha256(utf8ToBytes(`ringfence ${name}`));

/** A secret key that everybody can make. */
function developmentSecret(name: string): Uint8Array {
  const seed = new Uint8Array(2 * 64);
  seed.set(sha512(utf8ToBytes(`ringfence development ${name} 1`)));
  seed.set(sha512(utf8ToBytes(`ringfence development ${name} 2`)), 64);
  return p384.utils.randomSecretKey(seed.subarray(0, SEED_BYTES));
}

const publicCoseKey = (secret: Uint8Array): Uint8Array => encodeKey(p384.getPublicKey(secret, false));

/** The public half of the key that signs platform tokens here; its secret half is no secret. */
export const developmentCpak = (): PublicKey =>
  decodeKey(publicCoseKey(developmentSecret('CPAK')), 'the CPAK');

/** The RAK of a boot, and the platform token that vouches for it. */
interface RealmKey {
  readonly secret: Uint8Array;
  /** As a COSE_Key. */
  readonly publicKey: Uint8Array;
  readonly platformToken: Uint8Array;
}

export class Attester {
  private readonly entropy: Entropy;
  private own: RealmKey | undefined;

  constructor(entropy: Entropy) {
    this.entropy = entropy;
  }

  token(evidence: RealmEvidence): Uint8Array {
    this.own ??= this.newKey();
    const { secret, publicKey, platformToken } = this.own;
    return encode(
      tagged(
        CCA_TOKEN,
        new Map([
          [PLATFORM_TOKEN, platformToken],
          [REALM_TOKEN, sign1(encode(realmClaims(evidence, publicKey)), secret)],
        ]),
      ),
    );
  }

  private newKey(): RealmKey {
    const seed = new Uint8Array(SEED_BYTES);
    const secret = this.entropy(seed) ? p384.utils.randomSecretKey(seed) : developmentSecret('RAK');
    const publicKey = publicCoseKey(secret);
    const cpak = developmentSecret('CPAK');
    const claims = platformClaims(sha256(publicKey), publicCoseKey(cpak));
    return { secret, publicKey, platformToken: sign1(encode(claims), cpak) };
  }
}

function platformClaims(challenge: Uint8Array, cpak: Uint8Array): Map<number, unknown> {
  const instance = new Uint8Array(33);
  instance[0] = UEID_RAND;
  instance.set(sha256(cpak), 1);
  return new Map<number, unknown>([
    [PROFILE, PLATFORM_PROFILE],
    [CHALLENGE, challenge],
    [IMPLEMENTATION_ID, named('emulated platform')],
    [INSTANCE_ID, instance],
    [CONFIG, new Uint8Array(4)],
    [LIFECYCLE, SECURED],
    [PLATFORM_HASH, SHA_256],
    [
      COMPONENTS,
      [
        new Map<number, unknown>([
          [1, 'RMM'],
          [2, named('hypervisor')],
          [4, '1.0'],
          [5, named('development signer')],
          [6, SHA_256],
        ]),
      ],
    ],
  ]);
}

const realmClaims = (evidence: RealmEvidence, rak: Uint8Array): Map<number, unknown> =>
  new Map<number, unknown>([
    [PROFILE, REALM_PROFILE],
    [CHALLENGE, evidence.challenge],
    [PERSONALIZATION, evidence.personalization],
    [INITIAL_MEASUREMENT, evidence.initialMeasurement],
    [EXTENSIBLE_MEASUREMENTS, [...evidence.extensibleMeasurements]],
    [REALM_HASH, SHA_256],
    [PUBLIC_KEY, rak],
    [PUBLIC_KEY_HASH, SHA_256],
  ]);
