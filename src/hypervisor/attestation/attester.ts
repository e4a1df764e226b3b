export const TOKEN_BYTES = 4096;
export interface RealmEvidence {
  readonly challenge: Uint8Array;
  readonly personalization: Uint8Array;
  readonly initialMeasurement: Uint8Array;
  readonly extensibleMeasurements: readonly Uint8Array[];
}
export class Attester {
  token(evidence: RealmEvidence): Uint8Array {
    return evidence.challenge;
  }
}
