// What a stage-1 translation says about a page, packed in one number, and what it permits to whom
// (Arm ARM D8.4). One page is 4 KiB here whatever granule or block it came from.

/** EL0 may access the page (AP[1]). */
export const ATTR_USER = 1 << 0;
export const ATTR_READ_ONLY = 1 << 1;
export const ATTR_UXN = 1 << 2;
export const ATTR_PXN = 1 << 3;
export const ATTR_DEVICE = 1 << 4;
/** Normal Tagged memory (MAIR attribute 0xf0). */
export const ATTR_TAGGED = 1 << 5;
/** Guarded page (GP), FEAT_BTI. */
export const ATTR_GUARDED = 1 << 6;
/** Not global: belongs to one ASID. */
export const ATTR_NOT_GLOBAL = 1 << 7;
/** Read-only only because it is clean: the first write sets it dirty (DBM with TCR.HD). */
export const ATTR_CLEAN = 1 << 8;
/** The MMU was off: everything is permitted. */
export const ATTR_FLAT = 1 << 9;
/** Bits 15:10: log2 of the bytes that one TLB entry of the architecture would cover. */
export const ATTR_SIZE_SHIFT = 10;
export const ATTR_SIZE_MASK = 63;
/** Bits 18:16: index into MAIR_EL1; bits 20:19: shareability as the descriptor has it. */
export const ATTR_INDEX_SHIFT = 16;
export const ATTR_SHARE_SHIFT = 19;

export const MAY_READ = 1;
export const MAY_WRITE = 2;
export const MAY_EXECUTE = 4;

/** Controls that permissions depend on besides the page. */
export interface PermissionControls {
  readonly wxn: boolean;
  readonly epan: boolean;
}

/** MAY_* bits at EL0. */
export function userPermissions(attributes: number, controls: PermissionControls): number {
  if (attributes & ATTR_FLAT) return MAY_READ | MAY_WRITE | MAY_EXECUTE;
  const writable = (attributes & (ATTR_READ_ONLY | ATTR_CLEAN)) !== ATTR_READ_ONLY;
  let may = 0;
  if (attributes & ATTR_USER) may = writable ? MAY_READ | MAY_WRITE : MAY_READ;
  if (!(attributes & ATTR_UXN) && !(controls.wxn && may & MAY_WRITE)) may |= MAY_EXECUTE;
  return may;
}

/** MAY_* bits at EL1; `pan` is PSTATE.PAN. What EL0 may write EL1 never executes. */
export function kernelPermissions(attributes: number, pan: boolean, controls: PermissionControls): number {
  if (attributes & ATTR_FLAT) return MAY_READ | MAY_WRITE | MAY_EXECUTE;
  const user = attributes & ATTR_USER;
  const writable = (attributes & (ATTR_READ_ONLY | ATTR_CLEAN)) !== ATTR_READ_ONLY;
  let may = writable ? MAY_READ | MAY_WRITE : MAY_READ;
  if (!(attributes & ATTR_PXN) && !(writable && (user || controls.wxn))) may |= MAY_EXECUTE;
  if (pan && (user || (controls.epan && !(attributes & ATTR_UXN)))) may &= MAY_EXECUTE;
  return may;
}
