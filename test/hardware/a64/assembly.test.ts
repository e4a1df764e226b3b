// The assembler's own parts: labels, directives, comments, errors, aliases. Agreement with binutils on every row is in
// binutils.test.ts, and syntax.test.ts holds recorded text.

import { describe, expect, it } from 'vitest';
import { assemble, assembleProgram, disassemble } from '../../../src/hardware/a64/index.ts';

const text = (source: string, at = 0): string[] =>
  [...assemble(source, at)].map((word, k) => disassemble(word, at + 4 * k));

describe('assembler', () => {
  it('resolves labels in both directions, relative to the address', () => {
    expect(text('top: nop\n b end\n cbz x0, top\nend: adr x1, top\n', 0x1000)).toEqual([
      'hint #0x0',
      'b 0x100c',
      'cbz x0, 0x1000',
      'adr x1, 0x1000',
    ]);
  });

  it('takes pages and their low halves of labels, given ones included', () => {
    expect([...assemble('adrp x0, data\nadd x0, x0, :lo12:data', 0x8000, { data: 0x12345 })]).toEqual([
      0xd0000040, 0x910d1400,
    ]);
  });

  it('places data of every size, strings and alignment', () => {
    const { bytes, labels } = assembleProgram(
      'x: .byte 1, 0x2\n .hword 3\n .word -1\n .quad x\n .asciz "a;b//\\n"\n .balign 8\nend:',
      0x40,
    );
    expect([...bytes.subarray(0, 8)]).toEqual([1, 2, 3, 0, 255, 255, 255, 255]);
    expect(bytes[8]).toBe(0x40);
    expect(new TextDecoder().decode(bytes.subarray(16, 22))).toBe('a;b//\n');
    expect(labels.get('end')).toBe(0x58n);
  });

  it('evaluates expressions, symbols and numbered labels', () => {
    const source = `
      .equ BIT, 1 << 4
      mov x0, #(BIT | 3)
      add x1, x1, #BIT * 2 + 1
      and x2, x3, #~0xff
    1: sub x0, x0, #1
      cbnz x0, 1b
      cbz x0, 1f
    1: ldr x4, [x5, #(2 * 8)]
      b . + 8
      .word (end - 1b) / 4
    end:`;
    expect(text(source)).toEqual([
      'movz x0, #0x13',
      'add x1, x1, #0x21',
      'and x2, x3, #0xffffffffffffff00',
      'sub x0, x0, #0x1',
      'cbnz x0, 0xc',
      'cbz x0, 0x18',
      'ldr x4, [x5, #16]',
      'b 0x24',
      'udf #3',
    ]);
  });

  it('keeps literals in pools', () => {
    const words = assemble(
      'ldr x0, =0x123456789abcdef0\nldr w1, =label\nb label\n.ltorg\nlabel: ldr x2, =label + 1',
      0x100,
    );
    expect([...words].map((word) => word.toString(16))).toEqual([
      '58000080',
      '180000a1',
      '14000005',
      '0',
      '9abcdef0',
      '12345678',
      '11c',
      '58000022',
      '11d',
      '0',
    ]);
  });

  it('ignores comments and spacing', () => {
    expect(text('  ADD   X0 , X1,X2 // sum\n/* nothing\n here */ # remark\nldr w0,[ x1 , #4 ]; ret')).toEqual(
      ['add x0, x1, x2', 'ldr w0, [x1, #4]', 'ret'],
    );
  });

  it('names the line that it cannot assemble', () => {
    expect(() => assemble('nop\nadd x0, x1, #5000')).toThrow(/EINVAL: line 2.*add x0, x1, #5000/);
    expect(() => assemble('frobnicate x0')).toThrow(/EINVAL: line 1/);
    expect(() => assemble('b nowhere')).toThrow(/EINVAL: line 1.*no label 'nowhere'/);
    expect(() => assemble('a: nop\na: nop')).toThrow(/label 'a'/);
    expect(() => assemble('.frob 1')).toThrow(/directive/);
    expect(() => assemble('nop', 2)).toThrow(/EINVAL/);
  });

  it.each([
    ['mov x0, x1', 'orr x0, xzr, x1'],
    ['mov sp, x0', 'add sp, x0, #0x0'],
    ['mov x0, #-1', 'movn x0, #0x0'],
    ['mov w0, #0x10000', 'movz w0, #0x1, lsl #16'],
    ['mov x0, #0xff00ff00ff00ff', 'orr x0, xzr, #0xff00ff00ff00ff'],
    ['mov v0.16b, v1.16b', 'orr v0.16b, v1.16b, v1.16b'],
    ['cmp x0, #-1', 'adds xzr, x0, #0x1'],
    ['cset w0, eq', 'csinc w0, wzr, wzr, ne'],
    ['lsl x0, x1, #4', 'ubfm x0, x1, #60, #59'],
    ['lsl x0, x1, x2', 'lslv x0, x1, x2'],
    ['bfi w0, w1, #3, #5', 'bfm w0, w1, #29, #4'],
    ['ldr x0, [x1, #-8]', 'ldur x0, [x1, #-8]'],
    ['dc zva, x3', 'sys #3, C7, C4, #1, x3'],
    ['stadd w0, [x1]', 'ldadd w0, wzr, [x1]'],
    ['fmov d0, #-0.5', 'fmov d0, #-5.000000000000000000e-01'],
  ])('expands %s', (alias, canonical) => {
    expect(text(alias)).toEqual([canonical]);
  });

  it('writes UNDEFINED words as .inst and takes them back', () => {
    expect(disassemble(0xffffffff)).toBe('.inst 0xffffffff');
    expect([...assemble('.inst 0xffffffff')]).toEqual([0xffffffff]);
  });
});
