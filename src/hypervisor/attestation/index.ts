export { Attester, type RealmEvidence, TOKEN_BYTES } from './attester.ts';
