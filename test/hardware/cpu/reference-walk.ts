// Stage-1 translation written as the manual tells it (Arm ARM D8.2-D8.4), slowly and with big integers: what the
// CPU's walker and its caches are compared with.

export interface ReferenceRegime {
  readonly granule: number;
  readonly bits: number;
  readonly table: bigint;
  readonly outputBits: number;
  readonly ignoreTop: boolean;
  readonly walksDisabled: boolean;
  readonly kernelOnly: boolean;
  readonly flatPermissions: boolean;
  readonly accessFlag: boolean;
  readonly dirty: boolean;
  readonly wxn: boolean;
  readonly epan: boolean;
}

export interface ReferenceAccess {
  readonly va: bigint;
  readonly kind: 'read' | 'write' | 'execute';
  readonly user: boolean;
  readonly pan: boolean;
}

export type ReferenceResult =
  | { readonly ok: true; readonly address: bigint; readonly global: boolean }
  | { readonly ok: false; readonly status: number };

const bits = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const bit = (value: bigint, n: number): boolean => bits(value, n, n) === 1n;

/** Translates, and updates the descriptor as hardware would. */
export function referenceTranslate(
  regime: ReferenceRegime,
  access: ReferenceAccess,
  read: (address: bigint) => bigint,
  write: (address: bigint, value: bigint) => void,
): ReferenceResult {
  const fault = (status: number): ReferenceResult => ({ ok: false, status });
  const upper = bit(access.va, 55);
  const top = regime.ignoreTop ? 55 : 63;
  const above = bits(access.va, top, regime.bits);
  const ones = (1n << BigInt(top - regime.bits + 1)) - 1n;
  if (above !== (upper ? ones : 0n)) return fault(0x04);
  if (regime.walksDisabled || (regime.kernelOnly && access.user)) return fault(0x04);
  const stride = regime.granule - 3;
  let level = 4 - Math.ceil((regime.bits - regime.granule) / stride);
  let table = regime.table;
  if (table >> BigInt(regime.outputBits)) return fault(0x00);
  let high = regime.bits - 1;
  let [noUser, noWrite, uxnTable, pxnTable] = [false, false, false, false];
  for (; ; level++) {
    const low = regime.granule + (3 - level) * stride;
    const at = table + bits(access.va, high, low) * 8n;
    const descriptor = read(at);
    const kind = Number(descriptor & 3n);
    if ((kind & 1) === 0) return fault(0x04 | level);
    const isTable = level < 3 && kind === 3;
    const isPage = level === 3 && kind === 3;
    const isBlock = kind === 1 && (level === 2 || (level === 1 && regime.granule === 12));
    if (!isTable && !isPage && !isBlock) return fault(0x04 | level);
    const address =
      bits(descriptor, 47, isTable ? regime.granule : low) << BigInt(isTable ? regime.granule : low);
    if (address >> BigInt(regime.outputBits)) return fault(0x00 | level);
    if (isTable) {
      if (!regime.flatPermissions) {
        noUser ||= bit(descriptor, 61);
        noWrite ||= bit(descriptor, 62);
        uxnTable ||= bit(descriptor, 60);
        pxnTable ||= bit(descriptor, 59);
      }
      table = address;
      high = low - 1;
      continue;
    }
    if (!bit(descriptor, 10) && !regime.accessFlag) return fault(0x08 | level);
    const clean = bit(descriptor, 7) && bit(descriptor, 51) && regime.dirty && !noWrite;
    const writable = (!bit(descriptor, 7) || clean) && !noWrite;
    const userPage = bit(descriptor, 6) && !noUser;
    const userExecute = !bit(descriptor, 54) && !uxnTable;
    let may: Record<ReferenceAccess['kind'], boolean>;
    if (access.user) {
      const userWrite = userPage && writable;
      may = { read: userPage, write: userWrite, execute: userExecute && !(regime.wxn && userWrite) };
    } else {
      const execute =
        !bit(descriptor, 53) && !pxnTable && !(userPage && writable) && !(regime.wxn && writable);
      const denied = access.pan && (userPage || (regime.epan && userExecute));
      may = { read: !denied, write: writable && !denied, execute };
    }
    if (!may[access.kind]) return fault(0x0c | level);
    let updated = descriptor | (1n << 10n);
    if (access.kind === 'write' && clean) updated &= ~(1n << 7n);
    if (updated !== descriptor) write(at, updated);
    return {
      ok: true,
      address: address | bits(access.va, low - 1, 0),
      global: !bit(descriptor, 11),
    };
  }
}
