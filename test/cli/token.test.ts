import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/cli.ts';
import { Attester } from '../../src/hypervisor/attestation/index.ts';
import { fakeIo } from './fake-io.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-token-'));
  const token = new Attester(() => false).token({
    challenge: new Uint8Array(64).fill(0xc4),
    personalization: new Uint8Array(64),
    initialMeasurement: new Uint8Array(32).fill(0x11),
    extensibleMeasurements: [1, 2, 3, 4].map((n) => new Uint8Array(32).fill(n)),
  });
  writeFileSync(join(folder, 'token'), token);
  writeFileSync(join(folder, 'short'), token.subarray(0, 700));
  token[token.length - 1] ^= 1;
  writeFileSync(join(folder, 'forged'), token);
  writeFileSync(join(folder, 'key'), '{"kty":"RSA"}');
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const fake = fakeIo();
  const status = await main(
    args.map((arg) => arg.replace(/^@/, `${folder}/`)),
    fake.io,
  );
  await new Promise((resolve) => setImmediate(resolve));
  return { status, out: fake.out(), err: fake.err() };
}

describe('ringfence token verify', () => {
  it('prints what holds and what the token says', async () => {
    const { status, out, err } = await run('token', 'verify', '@token');
    expect(out).toMatch(/^token: verified\n( {2}yes .*\n){5}platform\n/);
    expect(out).toContain('\n  lifecycle: secured (0x3000)\n');
    expect(out).toContain(`\n  initial-measurement: ${'11'.repeat(32)}\n`);
    expect(out).toContain(`\n  extensible-measurements[3]: ${'04'.repeat(32)}\n`);
    expect([status, err]).toEqual([0, '']);
  });

  it('ends with 1 where a signature is wrong, and says which', async () => {
    const { status, out } = await run('token', 'verify', '@forged');
    expect(out).toMatch(/^token: NOT verified\n/);
    expect(out).toMatch(/\n {2}NO {3}the realm token is signed by the realm's key \(ES384\)\n/);
    expect(status).toBe(1);
  });

  it('--json for programs', async () => {
    const { out } = await run('token', 'verify', '--json', '@token');
    expect(JSON.parse(out)).toMatchObject({ verified: true, realm: { challenge: 'c4'.repeat(64) } });
  });

  it.each([
    [['verify', '@short'], /short: the token: no CBOR .*; give a CCA token in CBOR\n$/],
    [['verify', '@nothing'], /nothing: cannot be read: there is no such file; check the path\n$/],
    [
      ['verify', '@token', '--cpak', '@key'],
      /--cpak .*key: the key: is no elliptic-curve JSON Web Key; give/,
    ],
    [['verify', '@token', '--cpak', '@token'], /--cpak .*token: no JSON; give/],
    [['forge', '@token'], /token forge: there is only token verify FILE/],
    [['verify'], /missing required argument 'file'/],
  ])('%j ends with 2 and one line', async (args, message) => {
    const { status, out, err } = await run('token', ...args);
    expect(err).toMatch(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect([status, out]).toEqual([2, '']);
  });
});
