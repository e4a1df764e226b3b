import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import type { Row } from '../../row.ts';

/** AES, SHA1, SHA2, SHA512, SHA3, PMULL and CRC32 (C7, C6.2). */
export const cryptography: readonly Row[] = [];
export const cryptoBuiltHelpers: Helpers<BuiltHelper> = {};
export const cryptoHostHelpers: Helpers<HostHelper> = {};
