// A realm's measurements (RMM specification 1.0, A7.1 and C1): the initial one, which grows with everything that its host
// gives it before it runs, and four that the realm extends itself. SHA-256.

import { sha256 } from '@noble/hashes/sha2.js';

/** RmmHashAlgorithm. */
export const HASH_SHA_256 = 0;
export const HASH_BYTES = 32;
/** What a measurement takes up in structures, whatever the hash. */
const SLOT_BYTES = 64;
const EXTENSIBLE = 4;

const DESCRIPTOR_BYTES = 0x100;
const PARAMETER_BYTES = 0x1000;
// Descriptor types.
const DATA = 0;
const REC = 1;
const RIPAS = 2;
/** The content is measured. */
const MEASURE_CONTENT = 1n;
const RUNNABLE = 1n;

/** What of a realm's parameters is measured; what is not listed is zero here. */
export interface RealmParameters {
  readonly ipaBits: number;
  /** Of the vCPUs, less one. */
  readonly breakpoints: number;
  readonly watchpoints: number;
  readonly pmu: boolean;
}

const FLAG_PMU = 4n;

/** A structure whose fields are words at offsets. */
function structure(bytes: number, words: readonly (readonly [offset: number, value: bigint])[]): Uint8Array {
  const out = new Uint8Array(bytes);
  const view = new DataView(out.buffer);
  for (const [offset, value] of words) view.setBigUint64(offset, value, true);
  return out;
}

export class Measurements {
  private rim: Uint8Array;
  private readonly rem = Array.from({ length: EXTENSIBLE }, () => new Uint8Array(HASH_BYTES));

  /** RMI_REALM_CREATE. */
  constructor(realm: RealmParameters) {
    this.rim = sha256(
      structure(PARAMETER_BYTES, [
        [0x00, realm.pmu ? FLAG_PMU : 0n],
        [0x08, BigInt(realm.ipaBits)],
        [0x18, BigInt(realm.breakpoints)],
        [0x20, BigInt(realm.watchpoints)],
        [0x30, BigInt(HASH_SHA_256)],
      ]),
    );
  }

  /** RMI_RTT_INIT_RIPAS of [base, top). */
  initRipas(base: number, top: number): void {
    this.extendInitial(RIPAS, [
      [0x50, BigInt(base)],
      [0x58, BigInt(top)],
    ]);
  }

  /** RMI_DATA_CREATE of a page with its content. */
  data(ipa: number, page: Uint8Array): void {
    const words: [number, bigint][] = [
      [0x50, BigInt(ipa)],
      [0x58, MEASURE_CONTENT],
    ];
    this.extendInitial(DATA, words, 0x60, sha256(page));
  }

  /** RMI_REC_CREATE: a vCPU as it starts, or one that waits for PSCI to start it. */
  vcpu(runnable: boolean, pc: bigint, gprs: readonly bigint[]): void {
    const parameters = structure(PARAMETER_BYTES, [
      [0x0, runnable ? RUNNABLE : 0n],
      [0x200, pc],
      ...gprs.slice(0, 8).map((value, n): [number, bigint] => [0x300 + 8 * n, value]),
    ]);
    this.extendInitial(REC, [], 0x50, sha256(parameters));
  }

  private extendInitial(type: number, words: [number, bigint][], contentAt = 0, content?: Uint8Array): void {
    const descriptor = structure(DESCRIPTOR_BYTES, [
      [0, BigInt(type)],
      [8, BigInt(DESCRIPTOR_BYTES)],
      ...words,
    ]);
    descriptor.set(this.rim, 0x10);
    if (content) descriptor.set(content, contentAt);
    this.rim = sha256(descriptor);
  }

  /** Measurement `index` in 64 bytes, zero-padded: 0 is the initial one. */
  read(index: number): Uint8Array | undefined {
    const value = index === 0 ? this.rim : this.rem[index - 1];
    if (!value) return undefined;
    const padded = new Uint8Array(SLOT_BYTES);
    padded.set(value);
    return padded;
  }

  get initial(): Uint8Array {
    return this.rim;
  }

  get extensible(): readonly Uint8Array[] {
    return this.rem;
  }

  /** RSI_MEASUREMENT_EXTEND; `index` is 1 to 4. */
  extend(index: number, bytes: Uint8Array): void {
    this.rem[index - 1] = sha256
      .create()
      .update(this.rem[index - 1])
      .update(bytes)
      .digest();
  }
}
