// What the JIT makes of small regions, as WebAssembly text that a reader can check: the function without what every
// module imports, with the names of the CPU's registers and the places in the program. The files are in
// test/golden/regions; RINGFENCE_RECORD=1 writes them anew, and the diff is for review.

import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import wabt from 'wabt';
import { assemble, buildDecoder, disassemble, instructionTable } from '../../../src/hardware/a64/index.ts';
import { SP, STATE } from '../../../src/hardware/cpu/index.ts';
import { encodeBatch } from '../../../src/hardware/engine/jit/compile.ts';
import { FAR_REACH, findRegion } from '../../../src/hardware/engine/jit/find-region.ts';

/** A region by what it shows: its code starts a page, and may go on in the page after it. */
const REGIONS: Record<string, string | readonly [string, string]> = {
  'straight line': 'add x0, x1, x2\nsub x0, x0, #1\nret',
  '32-bit operations': 'add w0, w1, w2\neor w0, w0, w3\nret',
  'compare and branch': 'cmp x0, x1\nb.hi out\nadd x2, x2, #1\nout: ret',
  'loop with a counter': 'again: add x0, x0, x1\nsubs x2, x2, #1\nb.ne again\nret',
  'loop that fills memory': 'again: str x1, [x0], #8\nsubs x2, x2, #8\nb.hi again\nret',
  'loop that copies':
    'again: stp x3, x4, [x0], #16\nldp x3, x4, [x1], #16\nsubs x2, x2, #16\nb.hi again\nret',
  'nested loops': 'outer: mov x1, #10\ninner: subs x1, x1, #1\nb.ne inner\nsubs x0, x0, #1\nb.ne outer\nret',
  'if and else': 'cbz x0, other\nadd x1, x1, #1\nb end\nother: sub x1, x1, #1\nend: ret',
  'load and store': 'ldr x0, [x1, #8]\nstr w0, [x2]\nret',
  'pair on the stack': 'stp x29, x30, [sp, #-16]!\nldp x29, x30, [sp], #16\nret',
  call: 'bl 0x80010000\nnop',
  'followed call': 'bl f\nadd x1, x1, #1\nret\nf: add x0, x0, #1\nret',
  'followed call into another page': ['bl 0x80001000\nadd x1, x1, #1\nret', 'add x0, x0, #1\nret'],
  'indirect call': 'blr x1\nnop',
  'atomic addition': 'ldadd x0, x1, [x2]\nret',
  'conditional select': 'cmp w0, #5\ncsel x0, x1, x2, lt\nret',
  'flags out of the region': 'adds x0, x1, x2\nret',
  'vector addition': 'add v0.4s, v1.4s, v2.4s\nret',
  'scalar floating point': 'ldr d0, [x1]\nfadd d2, d0, d1\nfneg d2, d2\nfmul d2, d2, d0\nstr d2, [x1]\nret',
  'fused multiply-add': 'fmadd d0, d1, d2, d3\nret',
  'floating-point compare and branch': 'fcmp d0, d1\nb.lt out\nfmov d0, d1\nout: ret',
  'constants fold': 'mov x0, #0xff\nand x1, x1, #0xff00\nubfx x2, x1, #8, #8\nret',
};

const ADDRESS = 0x8000_0000;
/** Host offsets of the two pages. */
const HOST = [0x20000, 0x50000] as const;
const PAGE_BYTES = 0x1000;

const isIn = (host: number, page: number): boolean => host >= page && host < page + PAGE_BYTES;

async function textOf(sources: readonly string[]): Promise<string> {
  const { readWasm } = await wabt();
  const pages = sources.map((source, k) => assemble(source, ADDRESS + k * PAGE_BYTES));
  const decoder = buildDecoder(instructionTable());
  const view = {
    decoder,
    page: (index: number) => (index < pages.length ? HOST[index] : undefined),
    word: (host: number) => {
      const k = HOST.findIndex((page) => isIn(host, page));
      return pages[k]?.[(host - (HOST[k] as number)) / 4] ?? 0;
    },
    isSeen: () => true,
    isWarm: () => true,
    isHot: () => true,
  };
  const region = findRegion(view, 0, FAR_REACH);
  if (!region) throw new Error('nothing to compile');
  const options = {
    conditionTable: 0x1000,
    tagBias: 0x2000,
    markBias: 0x2800,
    checksTags: false,
    codeGeneration: 0x2f00,
  };
  const orders = [{ region, countdown: 0x3000 }];
  const { bytes } = encodeBatch({ decoder, memoryPages: 16, options, orders });
  const module = readWasm(bytes, { simd: true, tail_call: true });
  module.generateNames();
  module.applyNames();
  const text = module.toText({ foldExprs: true, inlineExport: true });
  const [body] = /^ {2}\(func.*(?=\)\n$)/ms.exec(text) as RegExpExecArray;
  const plain = body.replaceAll(' align=1', '').replaceAll('$p0', '$cpu').replaceAll('$p1', '$budget');
  const lines = plain.split('\n');
  return lines.map((line, k) => `${annotated(line, lines[k + 1] ?? '', pages)}\n`).join('');
}

/** Names of what is at an offset of the CPU's state. */
function stateName(offset: number): string {
  const { x, v, pcDelta, ...others } = STATE;
  if (offset < x + 8 * SP) return `X${(offset - x) / 8}`;
  if (offset === x + 8 * SP) return 'SP';
  if (offset >= v && offset < v + 16 * 32) return `V${(offset - v) / 16}`;
  if (offset === pcDelta) return 'pcDelta';
  return Object.entries(others).find(([, at]) => at === offset)?.[0] ?? '?';
}

/** A line with a comment: the register that it loads or stores, or the instruction that a host offset means. */
function annotated(line: string, next: string, pages: readonly Uint32Array[]): string {
  const access = /\((?:i32|i64|v128)\.(?:load|store)\S*(?: offset=(\d+))?$/.exec(line);
  if (access && /^ *\(local\.get \$cpu\)/.test(next))
    return `${line} ;; ${stateName(Number(access[1] ?? 0))}`;
  const place = Number(/\(i64\.const (\d+)\)/.exec(line)?.[1]);
  const k = HOST.findIndex((page) => isIn(place, page));
  const at = place - (HOST[k] ?? 0);
  const word = pages[k]?.[at / 4];
  return word === undefined ? line : `${line} ;; ${disassemble(word, ADDRESS + k * PAGE_BYTES + at)}`;
}

describe('WebAssembly text of regions', () => {
  for (const [name, source] of Object.entries(REGIONS)) {
    it(name, async () => {
      const file = `test/golden/regions/${name.replaceAll(' ', '-')}.wat`;
      const pages = typeof source === 'string' ? [source] : source;
      const listing = pages.flatMap((page) => page.split('\n')).map((line) => `;;   ${line}\n`);
      const text = `;; ${name}\n${listing.join('')}${await textOf(pages)}`;
      if (process.env.RINGFENCE_RECORD) writeFileSync(file, text);
      expect(text).toBe(readFileSync(file, 'utf8'));
    });
  }
});
