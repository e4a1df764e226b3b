// Text of an instruction, as GNU objdump writes it with no aliases (hints have their names): mnemonic, a space,
// operands. What no row claims is '.inst 0x........'.

import { buildDecoder, type Decoder, decodeFields } from '../decoder.ts';
import { type Fields, fieldsOf } from '../pattern.ts';
import { type Row, UNALLOCATED } from '../row.ts';
import { instructionTable } from '../table.ts';
import { join } from './kinds/index.ts';
import { syntaxOf } from './syntax.ts';

/** Text of an encoding of a row, by its fields, at an address. */
export function format(row: Row, fields: Fields, pc: bigint): string {
  let text = '';
  for (const part of syntaxOf(row)) {
    if ('text' in part) text += part.text;
    else if ('kind' in part) text += part.kind.format(part.fields, { fields, pc });
    else text += part.options[join(part.fields, fields)] ?? '';
  }
  return text;
}

let whole: Decoder | undefined;

/** The decoder of a machine with all features, built on first use. */
export function completeDecoder(): Decoder {
  whole ??= buildDecoder(instructionTable());
  return whole;
}

/** Text of the instruction at an address. */
export function disassemble(insn: number, pc: bigint | number = 0, decoder?: Decoder): string {
  const word = insn >>> 0;
  const { row, fields } = decodeFields(decoder ?? completeDecoder(), word) ?? {
    row: UNALLOCATED,
    fields: fieldsOf(UNALLOCATED.pattern, word),
  };
  return format(row, fields, BigInt(pc));
}
