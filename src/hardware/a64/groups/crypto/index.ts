// The Cryptographic Extension (AES, SHA1, SHA2, SHA512, SHA3, PMULL of 64 bits) and CRC32 (Arm ARM C4.1.95, C4.1.96).

import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import { type Row, rows } from '../../row.ts';
import { aesHelpers, aesRows } from './aes.ts';
import { carrylessHelpers, crcRows, pmullRows } from './carryless.ts';
import { sha1Helpers, sha1Rows } from './sha1.ts';
import { sha256Helpers, sha256Rows } from './sha256.ts';
import { sha512AndSha3Rows } from './sha512-sha3.ts';

export const cryptography: readonly Row[] = [
  ...rows({ simd: true }, [
    ...rows({ feature: 'AES' }, aesRows),
    ...pmullRows,
    ...rows({ feature: 'SHA1' }, sha1Rows),
    ...rows({ feature: 'SHA256' }, sha256Rows),
    ...sha512AndSha3Rows,
  ]),
  ...crcRows,
];
export const cryptoBuiltHelpers: Helpers<BuiltHelper> = {
  ...aesHelpers,
  ...carrylessHelpers,
  ...sha1Helpers,
  ...sha256Helpers,
};
export const cryptoHostHelpers: Helpers<HostHelper> = {};
