// The Realm Services Interface (RMM specification 1.0, B5), by SMC only: what a realm asks of the monitor below it. It
// knows arguments and results; what memory, measurements and tokens are is behind RealmServices.

import { PAGE_SIZE } from '../../lib/index.ts';
import { type CallOutcome, type FunctionCall, SLOW, type SmcccFunction } from './call.ts';
import type { FunctionTable } from './dispatcher.ts';

/** What the calls reach. Addresses are below 2^52, aligned or not. */
export interface RealmServices {
  readonly ipaBits: number;
  /** 0 SHA-256, 1 SHA-512. */
  readonly hashAlgorithm: number;
  /** 64 bytes. */
  readonly personalization: Uint8Array;
  /** Undefined where the range is none of whole protected pages. */
  setState(base: number, top: number, ripas: 0 | 1, changeDestroyed: boolean): StateChange | undefined;
  getState(base: number, end: number): { readonly top: number; readonly ripas: number } | undefined;
  /** The bytes of a page of the realm's own; undefined where the address leads to none. */
  page(address: number, vcpu: number): Uint8Array | undefined;
  /** Measurement 0 (initial) to 4, in 64 bytes; undefined for others. */
  measurement(index: number): Uint8Array | undefined;
  /** Extends measurement 1 to 4. */
  extend(index: number, bytes: Uint8Array): void;
  /** Begins a token of a vCPU; returns no less than its size. */
  beginToken(vcpu: number, challenge: Uint8Array): number;
  /** The next bytes of it; undefined where none was begun. */
  nextOfToken(vcpu: number, most: number): { readonly bytes: Uint8Array; readonly last: boolean } | undefined;
}

export interface StateChange {
  /** How far it got. */
  readonly top: number;
  readonly accepted: boolean;
}

const SUCCESS = 0;
const ERROR_INPUT = 1;
const ERROR_STATE = 2;
const INCOMPLETE = 3;

const VERSION_1_0 = 0x10000n;
const ACCEPT = 0;
const REJECT = 1;
const CHANGE_DESTROYED = 1n;
const MEASUREMENTS = 5n;
const CHALLENGE_WORDS = 8;
const WORDS_OF_64 = 8;
/** The structure of a host call: its size, alignment and the registers in it. */
const HOST_CALL_BYTES = 256;
const HOST_CALL_GPRS = 31;
const HOST_CALL_FIRST = 8;

/** No IPA is that large; above, a number would not be exact. */
const ADDRESS_LIMIT = 1n << 52n;

/** An argument as an address; -1, which is none, for what is too large. */
const address = (call: FunctionCall, n: number): number => {
  const value = call.arg(n);
  return value < ADDRESS_LIMIT ? Number(value) : -1;
};

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** `count` registers from X`first` on as bytes, little-endian. */
function bytesOf(call: FunctionCall, first: number, count: number): Uint8Array {
  const bytes = new Uint8Array(8 * count);
  const view = viewOf(bytes);
  for (let n = 0; n < count; n++) view.setBigUint64(8 * n, call.arg(first + n), true);
  return bytes;
}

/** The page that starts at an argument. */
function pageAt(call: FunctionCall, realm: RealmServices, n: number): Uint8Array | undefined {
  const at = address(call, n);
  return at < 0 || at % PAGE_SIZE ? undefined : realm.page(at, call.vcpu);
}

/** The implemented interface is 1.0 and no other. */
function version(call: FunctionCall): CallOutcome {
  const wanted = call.arg(1);
  return call.result(wanted === VERSION_1_0 ? SUCCESS : ERROR_INPUT, VERSION_1_0, VERSION_1_0);
}

function readMeasurement(call: FunctionCall, realm: RealmServices): CallOutcome {
  const index = call.arg(1);
  const value = index < MEASUREMENTS ? realm.measurement(Number(index)) : undefined;
  if (!value) return call.result(ERROR_INPUT);
  const outcome = call.result(SUCCESS);
  const view = viewOf(value);
  for (let n = 0; n < WORDS_OF_64; n++) call.regs.set(1 + n, view.getBigUint64(8 * n, true));
  return outcome;
}

function extendMeasurement(call: FunctionCall, realm: RealmServices): CallOutcome {
  const [index, size] = [call.arg(1), call.arg(2)];
  if (index < 1n || index >= MEASUREMENTS || size > 64n) return call.result(ERROR_INPUT);
  realm.extend(Number(index), bytesOf(call, 3, WORDS_OF_64).subarray(0, Number(size)));
  return call.result(SUCCESS);
}

function initToken(call: FunctionCall, realm: RealmServices): CallOutcome {
  call.result(SUCCESS, realm.beginToken(call.vcpu, bytesOf(call, 1, CHALLENGE_WORDS)));
  return SLOW;
}

function continueToken(call: FunctionCall, realm: RealmServices): CallOutcome {
  const page = pageAt(call, realm, 1);
  const [offset, size] = [call.arg(2), call.arg(3)];
  const room = BigInt(PAGE_SIZE);
  if (!page || offset >= room || size > room || offset + size > room) return call.result(ERROR_INPUT);
  const part = realm.nextOfToken(call.vcpu, Number(size));
  if (!part) return call.result(ERROR_STATE);
  page.set(part.bytes, Number(offset));
  return call.result(part.last ? SUCCESS : INCOMPLETE, part.bytes.length);
}

function realmConfig(call: FunctionCall, realm: RealmServices): CallOutcome {
  const page = pageAt(call, realm, 1);
  if (!page) return call.result(ERROR_INPUT);
  page.fill(0);
  const view = viewOf(page);
  view.setBigUint64(0, BigInt(realm.ipaBits), true);
  view.setBigUint64(8, BigInt(realm.hashAlgorithm), true);
  page.set(realm.personalization, 0x200);
  return call.result(SUCCESS);
}

function setState(call: FunctionCall, realm: RealmServices): CallOutcome {
  const [ripas, flags] = [call.arg(3), call.arg(4)];
  if (ripas > 1n) return call.result(ERROR_INPUT);
  const changeDestroyed = (flags & CHANGE_DESTROYED) !== 0n;
  const change = realm.setState(address(call, 1), address(call, 2), ripas === 0n ? 0 : 1, changeDestroyed);
  if (!change) return call.result(ERROR_INPUT);
  call.result(SUCCESS, change.top, change.accepted ? ACCEPT : REJECT);
  // Up to 2 MiB to zero, by a few instructions in a loop.
  return SLOW;
}

function getState(call: FunctionCall, realm: RealmServices): CallOutcome {
  const state = realm.getState(address(call, 1), address(call, 2));
  return state ? call.result(SUCCESS, state.top, state.ripas) : call.result(ERROR_INPUT);
}

function hostCall(call: FunctionCall, realm: RealmServices): CallOutcome {
  const at = address(call, 1);
  const { vcpu } = call;
  const structure = (): DataView | undefined => {
    const page = realm.page(at - (at % PAGE_SIZE), vcpu);
    return page && viewOf(page.subarray(at % PAGE_SIZE, (at % PAGE_SIZE) + HOST_CALL_BYTES));
  };
  const asked = at < 0 || at % HOST_CALL_BYTES ? undefined : structure();
  if (!asked) return call.result(ERROR_INPUT);
  const values: bigint[] = [];
  for (let n = 0; n < HOST_CALL_GPRS; n++) values.push(asked.getBigUint64(HOST_CALL_FIRST + 8 * n, true));
  call.result(SUCCESS);
  return {
    kind: 'exit',
    reason: 'host-call',
    immediate: asked.getUint16(0, true),
    values,
    answer(answers) {
      const view = structure();
      if (!view) return;
      for (const [n, value] of answers.slice(0, HOST_CALL_GPRS).entries())
        view.setBigUint64(HOST_CALL_FIRST + 8 * n, BigInt.asUintN(64, value), true);
    },
  };
}

export const RSI_BASE = 0xc4000190;

export const rsiFunctions =
  (realm: RealmServices): FunctionTable =>
  () => {
    const row = (
      offset: number,
      name: string,
      handle: (call: FunctionCall, realm: RealmServices) => CallOutcome,
    ): SmcccFunction => ({
      id: RSI_BASE + offset,
      name,
      conduits: ['smc'],
      handle: (call) => handle(call, realm),
    });
    return [
      row(0, 'RSI_VERSION', version),
      // No optional feature, in any feature register.
      row(1, 'RSI_FEATURES', (call) => call.result(SUCCESS, 0)),
      row(2, 'RSI_MEASUREMENT_READ', readMeasurement),
      row(3, 'RSI_MEASUREMENT_EXTEND', extendMeasurement),
      row(4, 'RSI_ATTESTATION_TOKEN_INIT', initToken),
      row(5, 'RSI_ATTESTATION_TOKEN_CONTINUE', continueToken),
      row(6, 'RSI_REALM_CONFIG', realmConfig),
      row(7, 'RSI_IPA_STATE_SET', setState),
      row(8, 'RSI_IPA_STATE_GET', getState),
      row(9, 'RSI_HOST_CALL', hostCall),
    ];
  };
