// What the JIT makes of small regions, as WebAssembly text that a reader can check. The files are in
// test/golden/regions; RINGFENCE_RECORD=1 writes them anew, and the diff is for review.

import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import wabt from 'wabt';
import { assemble, buildDecoder, instructionTable } from '../../../src/hardware/a64/index.ts';
import { encodeBatch } from '../../../src/hardware/engine/jit/compile.ts';
import { FAR_REACH, findRegion } from '../../../src/hardware/engine/jit/find-region.ts';

/** A region by what it shows. Its code starts a page. */
const REGIONS: Record<string, string> = {
  'straight line': 'add x0, x1, x2\nsub x0, x0, #1\nret',
  '32-bit operations': 'add w0, w1, w2\neor w0, w0, w3\nret',
  'compare and branch': 'cmp x0, x1\nb.hi out\nadd x2, x2, #1\nout: ret',
  'loop with a counter': 'again: add x0, x0, x1\nsubs x2, x2, #1\nb.ne again\nret',
  'nested loops': 'outer: mov x1, #10\ninner: subs x1, x1, #1\nb.ne inner\nsubs x0, x0, #1\nb.ne outer\nret',
  'if and else': 'cbz x0, other\nadd x1, x1, #1\nb end\nother: sub x1, x1, #1\nend: ret',
  'load and store': 'ldr x0, [x1, #8]\nstr w0, [x2]\nret',
  'pair on the stack': 'stp x29, x30, [sp, #-16]!\nldp x29, x30, [sp], #16\nret',
  call: 'bl 0x80010000\nnop',
  'conditional select': 'cmp w0, #5\ncsel x0, x1, x2, lt\nret',
  'flags out of the region': 'adds x0, x1, x2\nret',
  'vector addition': 'add v0.4s, v1.4s, v2.4s\nret',
  'scalar floating point': 'ldr d0, [x1]\nfadd d2, d0, d1\nfneg d2, d2\nfmul d2, d2, d0\nstr d2, [x1]\nret',
  'fused multiply-add': 'fmadd d0, d1, d2, d3\nret',
  'floating-point compare and branch': 'fcmp d0, d1\nb.lt out\nfmov d0, d1\nout: ret',
  'constants fold': 'mov x0, #0xff\nand x1, x1, #0xff00\nubfx x2, x1, #8, #8\nret',
};

const PAGE = 0x20000;

async function textOf(source: string): Promise<string> {
  const { readWasm } = await wabt();
  const words = assemble(source, 0x8000_0000);
  const decoder = buildDecoder(instructionTable());
  const view = {
    decoder,
    page: (index: number) => (index === 0 ? PAGE : undefined),
    word: (host: number) => words[(host - PAGE) / 4] ?? 0,
    isSeen: () => true,
    isWarm: () => true,
  };
  const region = findRegion(view, 0, FAR_REACH);
  if (!region) throw new Error('nothing to compile');
  const options = { conditionTable: 0x1000, tagBias: 0x2000, markBias: 0x2800, checksTags: false };
  const orders = [{ region, countdown: 0x3000 }];
  const { bytes } = encodeBatch({ decoder, memoryPages: 16, options, orders });
  const module = readWasm(bytes, { simd: true, tail_call: true });
  module.generateNames();
  module.applyNames();
  return module.toText({ foldExprs: true, inlineExport: true });
}

describe('WebAssembly text of regions', () => {
  for (const [name, source] of Object.entries(REGIONS)) {
    it(name, async () => {
      const file = `test/golden/regions/${name.replaceAll(' ', '-')}.wat`;
      const listing = source.split('\n').map((line) => `;;   ${line}\n`);
      const text = `;; ${name}\n${listing.join('')}${await textOf(source)}`;
      if (process.env.RINGFENCE_RECORD) writeFileSync(file, text);
      expect(text).toBe(readFileSync(file, 'utf8'));
    });
  }
});
