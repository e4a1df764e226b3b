// The text of --profile: which compiled guest code ran most, and how much WebAssembly it became.

import type { Machine } from '../vmm/index.ts';

type Profile = NonNullable<ReturnType<Machine['profile']>>;

/** Rows that are worth reading. */
const SHOWN = 200;

/** `instructions`: all that the guest ran, of which each share is a part. */
export function formatProfile(regions: Profile, instructions: number): string {
  const executed = regions.reduce((sum, region) => sum + region.executed, 0);
  const lines = [
    `${instructions} guest instructions, ${percent(executed, instructions)} of them in ${regions.length} compiled places`,
    '',
    row('share', 'executed', 'entries', 'guest', 'wasm', 'per', 'times', 'address'),
    row('', 'instructions', '', 'insns', 'bytes', 'insn', 'compiled', ''),
    ...regions
      .slice(0, SHOWN)
      .map(({ address, guestInstructions, wasmBytes, compiled, entries, executed: ran }) =>
        row(
          percent(ran, instructions),
          String(ran),
          String(entries),
          String(guestInstructions),
          String(wasmBytes),
          (wasmBytes / guestInstructions).toFixed(1),
          String(compiled),
          `0x${address.toString(16)}`,
        ),
      ),
  ];
  return `${lines.join('\n')}\n`;
}

const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(2)}%`;

const WIDTHS = [7, 14, 12, 6, 7, 6, 9, 18];
const row = (...cells: string[]): string =>
  cells.map((cell, n) => cell.padStart(WIDTHS[n] as number)).join(' ');
