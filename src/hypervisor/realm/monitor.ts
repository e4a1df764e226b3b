// What a realm's monitor knows of it besides its memory: how it was made, what it has measured, and the tokens that
// say so. It answers the calls of the Realm Services Interface (RMM specification 1.0, B5).

import { type Attester, TOKEN_BYTES } from '../attestation/index.ts';
import { HASH_SHA_256, Measurements, type RealmParameters } from './measurement.ts';
import type { Ripas } from './ripas.ts';

/** The realm's memory, as far as its calls reach. */
export interface RealmPages {
  setState(
    base: number,
    top: number,
    ripas: Ripas,
    changeDestroyed: boolean,
  ): { readonly top: number; readonly accepted: boolean } | undefined;
  getState(base: number, end: number): { readonly top: number; readonly ripas: Ripas } | undefined;
  ownPage(address: number, vcpu: number): Uint8Array | undefined;
}

export const PERSONALIZATION_BYTES = 64;

interface Token {
  readonly bytes: Uint8Array;
  given: number;
}

export class RealmMonitor {
  readonly ipaBits: number;
  readonly hashAlgorithm = HASH_SHA_256;
  readonly personalization: Uint8Array;
  readonly measurements: Measurements;
  private readonly pages: RealmPages;
  private readonly attester: Attester;
  /** Of each vCPU the token that it is reading. */
  private readonly tokens = new Map<number, Token>();
  /** Calls of its own interface that the realm has made: it knows what it is. */
  calls = 0;

  /** `personalization` is cut or padded with zeros to 64 bytes. */
  constructor(
    parameters: RealmParameters,
    pages: RealmPages,
    attester: Attester,
    personalization: Uint8Array = new Uint8Array(0),
  ) {
    this.ipaBits = parameters.ipaBits;
    this.pages = pages;
    this.attester = attester;
    this.measurements = new Measurements(parameters);
    this.personalization = new Uint8Array(PERSONALIZATION_BYTES);
    this.personalization.set(personalization.subarray(0, PERSONALIZATION_BYTES));
  }

  setState(
    base: number,
    top: number,
    ripas: Ripas,
    changeDestroyed: boolean,
  ): ReturnType<RealmPages['setState']> {
    this.calls++;
    return this.pages.setState(base, top, ripas, changeDestroyed);
  }

  getState(base: number, end: number): ReturnType<RealmPages['getState']> {
    return this.pages.getState(base, end);
  }

  page(address: number, vcpu: number): Uint8Array | undefined {
    this.calls++;
    return this.pages.ownPage(address, vcpu);
  }

  measurement(index: number): Uint8Array | undefined {
    return this.measurements.read(index);
  }

  extend(index: number, bytes: Uint8Array): void {
    this.measurements.extend(index, bytes);
  }

  beginToken(vcpu: number, challenge: Uint8Array): number {
    const { initial, extensible } = this.measurements;
    const bytes = this.attester.token({
      challenge,
      personalization: this.personalization,
      initialMeasurement: initial,
      extensibleMeasurements: extensible,
    });
    this.tokens.set(vcpu, { bytes, given: 0 });
    return TOKEN_BYTES;
  }

  nextOfToken(
    vcpu: number,
    most: number,
  ): { readonly bytes: Uint8Array; readonly last: boolean } | undefined {
    const token = this.tokens.get(vcpu);
    if (!token) return undefined;
    const bytes = token.bytes.subarray(token.given, token.given + most);
    token.given += bytes.length;
    const last = token.given === token.bytes.length;
    if (last) this.tokens.delete(vcpu);
    return { bytes, last };
  }
}
