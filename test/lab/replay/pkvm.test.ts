import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/hardware/a64/index.ts';
import { replay } from '../../../src/lab/replay/index.ts';
import { HANDLER, PROGRAM } from '../../../src/lab/replay/pkvm-guest.ts';

const recording = gunzipSync(
  readFileSync(new URL('../../golden/pkvm-arm64-linux-7.2.jsonl.gz', import.meta.url)),
)
  .toString()
  .split('\n');

describe('the guest program of a pKVM replay', () => {
  it('is what its text says', () => {
    const at = 0x10000;
    for (const [word, text] of [...PROGRAM, ...HANDLER]) {
      // `.` is the instruction's own address.
      const absolute = text.replace(/\.([+-])(0x\w+)/, (_, sign, distance) =>
        String(sign === '+' ? at + Number(distance) : at - Number(distance)),
      );
      expect([text, assemble(absolute, at)[0].toString(16)]).toEqual([text, word.toString(16)]);
    }
  });
});

/** The lines up to the first that fits, that one changed. */
function altered(fits: RegExp, from: string | RegExp, to: string): string[] {
  const at = recording.findIndex((line) => fits.test(line));
  if (at < 0) throw new Error(`no line fits ${fits}`);
  return [...recording.slice(0, at), recording[at].replace(from, to)];
}

describe("replay of a real pKVM's recording sees a difference", () => {
  const cases: readonly (readonly [string, RegExp, string | RegExp, string])[] = [
    ['in a result of a hypercall', /"86000000".*"1d"/, '"1d"', '"1f"'],
    ['in the syndrome of a call that took an abort', /"c6000003".*"esr"/, '96000010', '96000050'],
    ['in what a load loads', /"gload".*"x":\["[1-9a-f]/, /"x":\["./, '"x":["0'],
    ['in whether the VMM may touch a page', /"vmm".*"sig":11/, '"sig":11', '"v":"0"'],
    ['in what was scrubbed', /"after"/, '"0"', '"1"'],
    ['in how a run ends', /"run":-14/, '-14', '-1'],
    ['in an access that is left to the VMM', /"gstore".*"mmio"/, '"w":1', '"w":0'],
  ];
  for (const [name, fits, from, to] of cases) {
    it(name, () => {
      const { differ, differences } = replay(altered(fits, from, to));
      expect(differ).toBe(1);
      expect(differences[0].line).toBeGreaterThan(2);
    }, 60_000);
  }
});
