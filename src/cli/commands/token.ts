// ringfence token verify: checks an attestation token of a realm and prints what it says.

import { readFile } from 'node:fs/promises';
import {
  developmentCpak,
  keyFromJwk,
  type PublicKey,
  type ReadableClaims,
  TokenError,
  type TokenReport,
  verifyToken,
} from '../../hypervisor/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, reasonOf, usageError } from '../exit-status.ts';

interface TokenFlags {
  readonly json?: boolean;
  readonly cpak?: string;
}

export const token = defineCommand<TokenFlags>({
  name: 'token',
  summary: "check a realm's attestation token, and print its claims",
  define(command) {
    command
      .argument('<action>', 'verify')
      .argument('<file>', 'the token as the guest got it (CBOR)')
      .option('--json', 'the result as JSON')
      .option(
        '--cpak <file>',
        "the platform's public key as a JSON Web Key; default: Ringfence's development key",
      )
      .addHelpText(
        'after',
        '\nStatus 0: it verifies. 1: it does not, and the output says why. 2: the file is no token.' +
          '\nExample: ringfence token verify outblob',
      );
  },
  async run(flags, [action, file], { stdout }) {
    if (action !== 'verify') throw usageError(`token ${action}: there is only token verify FILE`);
    const cpak = flags.cpak === undefined ? developmentCpak() : await readKey(flags.cpak);
    const report = verify(file, await read(file), cpak);
    stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : format(report));
    return report.verified ? EXIT.ok : EXIT.host;
  },
});

function verify(file: string, bytes: Uint8Array, cpak: PublicKey): TokenReport {
  try {
    return verifyToken(bytes, cpak);
  } catch (error) {
    if (error instanceof TokenError) throw usageError(`${file}: ${error.message}; give a CCA token in CBOR`);
    throw error;
  }
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw usageError(`${file}: cannot be read: ${reasonOf(error)}; check the path`);
  }
}

async function readKey(file: string): Promise<PublicKey> {
  const bytes = await read(file);
  try {
    const jwk: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return keyFromJwk(jwk, 'the key');
  } catch (error) {
    const why = error instanceof TokenError ? error.message : 'no JSON';
    throw usageError(`--cpak ${file}: ${why}; give a JSON Web Key with kty EC`);
  }
}

function format({ verified, checks, platform, realm }: TokenReport): string {
  return [
    `token: ${verified ? 'verified' : 'NOT verified'}`,
    ...checks.map(({ says, holds }) => `  ${holds ? 'yes' : 'NO '}  ${says}`),
    ...(platform ? ['platform', ...lines(platform, '  ')] : []),
    ...(realm ? ['realm', ...lines(realm, '  ')] : []),
    '',
  ].join('\n');
}

function lines(claims: ReadableClaims, indent: string): string[] {
  return Object.entries(claims).flatMap(([name, value]) => {
    if (typeof value !== 'object') return [`${indent}${name}: ${shown(name, value)}`];
    return value.flatMap((one, n) =>
      typeof one === 'string'
        ? [`${indent}${name}[${n}]: ${one}`]
        : [`${indent}${name}[${n}]`, ...lines(one, `${indent}  `)],
    );
  });
}

/** The lifecycle is a number that people know by its name (draft-ffm-rats-cca-token, 3.1.2). */
const LIFECYCLES = [
  'unknown',
  'assembly and test',
  'CCA platform RoT provisioning',
  'secured',
  'non CCA platform RoT debug',
  'recoverable CCA platform RoT debug',
  'decommissioned',
];

const shown = (name: string, value: string | number): string =>
  name === 'lifecycle' && typeof value === 'number'
    ? `${LIFECYCLES[value >>> 12] ?? 'unknown'} (0x${value.toString(16)})`
    : String(value);
