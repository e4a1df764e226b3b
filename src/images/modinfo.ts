// Reads what a kernel module says about itself: the NUL-separated key=value strings of the ELF section `.modinfo`
// (Linux include/linux/moduleparam.h). Knows ELF64 little-endian relocatable files only.

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

function section(elf: Uint8Array, wanted: string): Uint8Array | undefined {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.length < 64 || view.getUint32(0, false) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    return undefined;
  const headers = Number(view.getBigUint64(0x28, true));
  const entrySize = view.getUint16(0x3a, true);
  const count = view.getUint16(0x3c, true);
  const namesIndex = view.getUint16(0x3e, true);
  if (namesIndex >= count || entrySize < 64 || headers + count * entrySize > elf.length) return undefined;
  const body = (index: number): Uint8Array => {
    const at = headers + index * entrySize;
    const offset = Number(view.getBigUint64(at + 0x18, true));
    const size = Number(view.getBigUint64(at + 0x20, true));
    return elf.subarray(offset, offset + size);
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
  if (!bytes) throw new ImageError('usage', `${file}: not an arm64 kernel module`);
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
