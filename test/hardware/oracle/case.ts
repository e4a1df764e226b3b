// What a differential test of instructions is made of: a machine state and a few A64 instructions, and the state
// after them. A Case runs on the reference CPU (client.ts) and on an engine (../engine/driver.ts) alike.

/** Address of a case's first instruction. The rest of its page is BRK #0. */
export const CODE_ADDRESS = 0x0400_0000;
/** Address of 4096 readable and writable bytes; its neighbours are unmapped. */
export const DATA_ADDRESS = 0x6000_0000;
export const DATA_BYTES = 4096;
export const MAX_INSTRUCTIONS = 64;

export interface Case {
  /** One to MAX_INSTRUCTIONS instructions. */
  readonly code: readonly number[];
  /** X0..X30. Default zeros. */
  readonly x?: BigUint64Array;
  /** Default: the middle of the data. */
  readonly sp?: bigint;
  /** V0..V31, low half then high half: 64 elements. Default zeros. */
  readonly v?: BigUint64Array;
  /** 4 bits, N in bit 3. */
  readonly nzcv?: number;
  readonly fpcr?: number;
  readonly fpsr?: number;
  /** The 4096 bytes at DATA_ADDRESS; the result has them only where the case does. Default zeros. */
  readonly memory?: Uint8Array;
  /** Allocation tags of the data's 256 granules, where an engine's driver has it tagged; the reference has no tags. */
  readonly tags?: Uint8Array;
}

export interface Result {
  readonly x: BigUint64Array;
  readonly sp: bigint;
  readonly v: BigUint64Array;
  readonly nzcv: number;
  readonly fpcr: number;
  readonly fpsr: number;
  /** Where it ended: after the last instruction, or at the one that raised the signal. */
  readonly pc: bigint;
  /** 0, or as Linux would send: 4 undefined, 5 BRK, 7 misaligned, 11 bad address, 14 endless loop. */
  readonly signal: number;
  readonly memory?: Uint8Array;
  /** Where a driver has them. */
  readonly tags?: Uint8Array;
}

export const SIGNAL = { none: 0, undefined: 4, breakpoint: 5, alignment: 7, segv: 11, endless: 14 } as const;

const hex = (n: bigint | number): string => `0x${n.toString(16)}`;

/** The differences between two results, one text each: 'v3: 0x... instead of 0x...'. Empty where equal. */
export function differences(actual: Result, expected: Result): string[] {
  const out: string[] = [];
  const differ = (name: string, a: bigint | number, e: bigint | number): void => {
    if (a !== e) out.push(`${name}: ${hex(a)} instead of ${hex(e)}`);
  };
  differ('signal', actual.signal, expected.signal);
  differ('pc', actual.pc, expected.pc);
  for (let n = 0; n < 31; n++) differ(`x${n}`, actual.x[n] as bigint, expected.x[n] as bigint);
  differ('sp', actual.sp, expected.sp);
  for (let n = 0; n < 64; n++) {
    differ(`v${n >> 1}.d[${n & 1}]`, actual.v[n] as bigint, expected.v[n] as bigint);
  }
  differ('nzcv', actual.nzcv, expected.nzcv);
  differ('fpcr', actual.fpcr, expected.fpcr);
  differ('fpsr', actual.fpsr, expected.fpsr);
  if (actual.memory && expected.memory) {
    for (let n = 0; n < DATA_BYTES; n++) {
      differ(`memory[${n}]`, actual.memory[n] as number, expected.memory[n] as number);
    }
  }
  for (const [n, tag] of actual.tags?.entries() ?? []) differ(`tags[${n}]`, tag, expected.tags?.[n] ?? tag);
  return out;
}
