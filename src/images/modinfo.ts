// Reads what a kernel module says about itself: the NUL-separated key=value strings of the ELF section `.modinfo`
// (Linux include/linux/moduleparam.h). Knows little-endian relocatable files.

import { ImageError } from './error.ts';

export interface ModuleInfo {
  readonly name: string;
  /** Names of modules that must be loaded before. */
  readonly depends: readonly string[];
  /** Modules that should be loaded before, where they exist (softdep "pre:"). */
  readonly softPre: readonly string[];
  readonly aliases: readonly string[];
}

const decoder = new TextDecoder('latin1');

/** Where ELF64 and ELF32 headers have what is needed here (gABI, "ELF Header" and "Section Header Table"). */
const ELF64 = { header: 64, shoff: 0x28, shentsize: 0x3a, entry: 64, offset: 0x18, size: 0x20 };
const ELF32 = { header: 52, shoff: 0x20, shentsize: 0x2e, entry: 40, offset: 0x10, size: 0x14 };

function section(elf: Uint8Array, wanted: string): Uint8Array | undefined {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  const at = elf[4] === 1 ? ELF32 : ELF64;
  if (elf.length < at.header || view.getUint32(0, false) !== 0x7f454c46 || elf[5] !== 1) return undefined;
  if (elf[4] !== 1 && elf[4] !== 2) return undefined;
  const word = (offset: number): number =>
    at === ELF64 ? Number(view.getBigUint64(offset, true)) : view.getUint32(offset, true);
  const headers = word(at.shoff);
  const entrySize = view.getUint16(at.shentsize, true);
  const count = view.getUint16(at.shentsize + 2, true);
  const namesIndex = view.getUint16(at.shentsize + 4, true);
  if (namesIndex >= count || entrySize < at.entry || headers + count * entrySize > elf.length)
    return undefined;
  const body = (index: number): Uint8Array => {
    const header = headers + index * entrySize;
    const offset = word(header + at.offset);
    return elf.subarray(offset, offset + word(header + at.size));
  };
  const names = body(namesIndex);
  for (let i = 0; i < count; i++) {
    const start = view.getUint32(headers + i * entrySize, true);
    const end = names.indexOf(0, start);
    if (decoder.decode(names.subarray(start, end < 0 ? names.length : end)) === wanted) return body(i);
  }
  return undefined;
}

/** `file` names the module in the error. A module's own names use `_` where its file name may have `-`. */
export function readModuleInfo(elf: Uint8Array, file: string): ModuleInfo {
  const bytes = section(elf, '.modinfo');
  if (!bytes) throw new ImageError('usage', `${file}: not a kernel module`);
  const depends: string[] = [];
  const softPre: string[] = [];
  const aliases: string[] = [];
  let name = moduleName(file);
  for (const line of decoder.decode(bytes).split('\0')) {
    const equals = line.indexOf('=');
    const value = line.slice(equals + 1);
    switch (line.slice(0, equals)) {
      case 'name':
        name = value;
        break;
      case 'depends':
        depends.push(...value.split(',').filter(Boolean).map(moduleName));
        break;
      case 'softdep':
        softPre.push(...softdepPre(value));
        break;
      case 'alias':
        aliases.push(value);
        break;
    }
  }
  return { name, depends, softPre, aliases };
}

/** `pre: a b post: c` gives a and b. */
function softdepPre(value: string): string[] {
  const before = /pre:\s*([^:]*?)(?:\s*post:|$)/.exec(value);
  return before ? before[1]!.split(/\s+/).filter(Boolean).map(moduleName) : [];
}

/** The name the kernel uses for a module's file: no folder, no `.ko` and compression endings, `-` becomes `_`. */
export function moduleName(file: string): string {
  const base = file.slice(file.lastIndexOf('/') + 1).replace(/\.ko(\.(xz|gz|zst))?$/, '');
  return base.replaceAll('-', '_');
}
