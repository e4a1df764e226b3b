// Exception classes and fault status codes of ESR_EL1 (Arm ARM D23.2, ESR_EL1).

export const EC = {
  unknown: 0x00,
  wfx: 0x01,
  fp: 0x07,
  branchTarget: 0x0d,
  illegalState: 0x0e,
  svc: 0x15,
  system: 0x18,
  pacFail: 0x1c,
  instructionAbort: 0x20,
  pcAlignment: 0x22,
  dataAbort: 0x24,
  spAlignment: 0x26,
  serror: 0x2f,
  breakpoint: 0x30,
  softwareStep: 0x32,
  watchpoint: 0x34,
  brk: 0x3c,
} as const;

/** Fault status codes; those of a walk level have it in bits 1:0. */
export const FSC = {
  addressSize: 0x00,
  translation: 0x04,
  accessFlag: 0x08,
  permission: 0x0c,
  external: 0x10,
  tagCheck: 0x11,
  externalOnWalk: 0x14,
  alignment: 0x21,
  debug: 0x22,
  unsupportedAtomic: 0x35,
} as const;

/** ISS bits of data aborts. */
export const ISS_CM = 1 << 8;
export const ISS_WNR = 1 << 6;

/** ESR_EL1 with IL set, as everything that A64 raises has it; unsigned 32 bits. */
export const syndrome = (ec: number, iss: number): number => ((ec << 26) | (1 << 25) | iss) >>> 0;
