// Attestation tokens (draft-ffm-rats-cca-token, RMM specification 1.0 A7.2): their exact shape, and that nothing in them
// can be changed. The platform's own ECDSA, which shares no code with ours, has the last word on signatures.

import { createPublicKey, verify as verifyByNode } from 'node:crypto';
import { decode, Tagged } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Attester, type Entropy, type RealmEvidence } from '../../../src/hypervisor/attestation/index.ts';
import { developmentCpak, keyFromJwk, TokenError, verifyToken } from '../../../src/hypervisor/index.ts';

const counted =
  (start: number): Entropy =>
  (into) => {
    into.forEach((_, n) => {
      into[n] = start + n;
    });
    return true;
  };

const EVIDENCE: RealmEvidence = {
  challenge: new Uint8Array(64).fill(1),
  personalization: new Uint8Array(64).fill(2),
  initialMeasurement: new Uint8Array(32).fill(3),
  extensibleMeasurements: [4, 5, 6, 7].map((n) => new Uint8Array(32).fill(n)),
};
const TOKEN = new Attester(counted(1)).token(EVIDENCE);
const CPAK = developmentCpak();

const tags = Object.fromEntries([18, 399].map((tag) => [tag, Tagged.decoder(tag)]));
const parse = (bytes: Uint8Array): unknown => decode(bytes, { useMaps: true, tags });

function parts(token: Uint8Array): { header: Uint8Array; payload: Uint8Array; signature: Uint8Array }[] {
  const collection = parse(token) as Tagged;
  expect(collection.tag).toBe(399);
  return [44234, 44241].map((key) => {
    const message = parse(collection.value.get(key)) as Tagged;
    expect(message.tag).toBe(18);
    const [header, unprotected, payload, signature] = message.value;
    expect(parse(header)).toEqual(new Map([[1, -35]]));
    expect(unprotected).toEqual(new Map());
    return { header, payload, signature };
  });
}

const claimsOf = (payload: Uint8Array): Map<number, unknown> => parse(payload) as Map<number, unknown>;

/** Sig_structure of RFC 9052, written out. */
function signed(header: Uint8Array, payload: Uint8Array): Buffer {
  const head = Buffer.from([0x58, payload.length]);
  const long = Buffer.from([0x59, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([
    Buffer.from([0x84, 0x6a]),
    Buffer.from('Signature1'),
    Buffer.from([0x40 + header.length]),
    header,
    Buffer.from([0x40]),
    payload.length < 256 ? head : long,
    payload,
  ]);
}

function nodeVerifies(x: Uint8Array, y: Uint8Array, message: Buffer, signature: Uint8Array): boolean {
  const url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  const key = createPublicKey({ key: { kty: 'EC', crv: 'P-384', x: url(x), y: url(y) }, format: 'jwk' });
  return verifyByNode('sha384', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

describe('a token', () => {
  it('holds the claims of its two parts by their numbers', () => {
    const [platform, realm] = parts(TOKEN).map(({ payload }) => claimsOf(payload));
    expect([...platform.keys()].sort((a, b) => a - b)).toEqual([10, 256, 265, 2395, 2396, 2399, 2401, 2402]);
    expect(platform.get(265)).toBe('tag:arm.com,2023:cca_platform#1.0.0');
    expect(platform.get(2395)).toBe(0x3000);
    expect(
      [platform.get(10), platform.get(2396), platform.get(256)].map((b) => (b as Uint8Array).length),
    ).toEqual([32, 32, 33]);
    expect((platform.get(256) as Uint8Array)[0]).toBe(1);
    expect([...realm.keys()].sort((a, b) => a - b)).toEqual([
      10, 265, 44235, 44236, 44237, 44238, 44239, 44240,
    ]);
    expect(realm.get(265)).toBe('tag:arm.com,2023:realm#1.0.0');
    expect(realm.get(10)).toEqual(EVIDENCE.challenge);
    expect(realm.get(44235)).toEqual(EVIDENCE.personalization);
    expect(realm.get(44238)).toEqual(EVIDENCE.initialMeasurement);
    expect(realm.get(44239)).toEqual(EVIDENCE.extensibleMeasurements);
    expect([realm.get(44236), realm.get(44240)]).toEqual(['sha-256', 'sha-256']);
    const key = parse(realm.get(44237) as Uint8Array) as Map<number, unknown>;
    expect([key.get(1), key.get(-1)]).toEqual([2, 2]);
  });

  it('is signed as ES384 is, says another implementation', () => {
    const [platform, realm] = parts(TOKEN);
    const key = parse(claimsOf(realm.payload).get(44237) as Uint8Array) as Map<number, Uint8Array>;
    const [x, y] = [key.get(-2)!, key.get(-3)!];
    const message = signed(realm.header, realm.payload);
    expect(nodeVerifies(x, y, message, realm.signature)).toBe(true);
    const other = signed(platform.header, platform.payload);
    expect(nodeVerifies(x, y, other, platform.signature)).toBe(false);
    const { point } = CPAK;
    expect(nodeVerifies(point.slice(1, 49), point.slice(49), other, platform.signature)).toBe(true);
  });

  it('verifies, and the report says what stands in it', () => {
    const report = verifyToken(TOKEN, CPAK);
    expect(report.checks.map(({ holds }) => holds)).toEqual([true, true, true, true, true]);
    expect(report.verified).toBe(true);
    expect(report.realm).toMatchObject({
      challenge: '01'.repeat(64),
      'initial-measurement': '03'.repeat(32),
      'extensible-measurements': ['04', '05', '06', '07'].map((byte) => byte.repeat(32)),
    });
    expect(report.platform).toMatchObject({ 'hash-algo-id': 'sha-256' });
  });

  it('is the same for the same evidence and random numbers, and its key is new for others', () => {
    expect(new Attester(counted(1)).token(EVIDENCE)).toEqual(TOKEN);
    const other = new Attester(counted(2)).token(EVIDENCE);
    const key = (token: Uint8Array): unknown => verifyToken(token, CPAK).realm?.['public-key'];
    expect(key(other)).not.toBe(key(TOKEN));
    const attester = new Attester(() => false);
    expect(verifyToken(attester.token(EVIDENCE), CPAK).verified).toBe(true);
    expect(attester.token(EVIDENCE)).toEqual(new Attester(() => false).token(EVIDENCE));
  });
});

describe('what does not verify', () => {
  it('no bit of a token can be turned', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 * TOKEN.length - 1 }), (bit) => {
        const bent = TOKEN.slice();
        bent[bit >> 3] ^= 1 << (bit & 7);
        let verified = false;
        try {
          verified = verifyToken(bent, CPAK).verified;
        } catch (error) {
          expect(error).toBeInstanceOf(TokenError);
        }
        expect(verified).toBe(false);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('an unprotected header that is no map', () => {
    const bent = TOKEN.slice();
    const at = parts(TOKEN)[0].header.length + Buffer.from(TOKEN).indexOf(parts(TOKEN)[0].header);
    expect(bent[at]).toBe(0xa0);
    bent[at] = 0x80;
    expect(() => verifyToken(bent, CPAK)).toThrow(TokenError);
  });

  it('a realm token of another boot under this platform token', () => {
    const other = new Attester(counted(9)).token(EVIDENCE);
    const swapped = TOKEN.slice();
    // The second part is as long in both, and last.
    const length = parts(TOKEN)[1].payload.length + parts(TOKEN)[1].signature.length;
    expect(other.length).toBe(TOKEN.length);
    swapped.set(other.subarray(other.length - length - 8), TOKEN.length - length - 8);
    expect(verifyToken(swapped, CPAK).checks.map(({ holds }) => holds)).toEqual([
      true,
      true,
      true,
      false,
      true,
    ]);
  });

  it("another platform's key", () => {
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
      y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    };
    expect(verifyToken(TOKEN, keyFromJwk(jwk, 'key')).checks[2]).toMatchObject({ holds: false });
    for (const wrong of [{}, null, { ...jwk, y: jwk.x }, { ...jwk, crv: 'P-999' }, { ...jwk, x: '!' }])
      expect(() => keyFromJwk(wrong, 'key')).toThrow(TokenError);
  });

  it('anything at all is refused, and never worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => verifyToken(bytes, CPAK)).toThrow(TokenError);
      }),
      { seed: 1 },
    );
    for (const end of [0, 1, 10, 500, TOKEN.length - 1])
      expect(() => verifyToken(TOKEN.subarray(0, end), CPAK)).toThrow(TokenError);
  });
});
