export { Attester, developmentCpak, type Entropy, type RealmEvidence, TOKEN_BYTES } from './attester.ts';
export type { ReadableClaims } from './claims.ts';
export { keyFromJwk, type PublicKey } from './cose.ts';
export { TokenError } from './error.ts';
export { type TokenCheck, type TokenReport, verifyToken } from './verify.ts';
