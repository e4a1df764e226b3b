// ELF kernels and bare-metal programs (System V ABI, chapter 5; AAELF64): the loadable segments go to their
// physical addresses, as a boot loader without an MMU would put them.

import { UserError } from '../errors.ts';
import type { KernelImage } from './kernel-image.ts';

const EHDR_BYTES = 64;
const PHDR_BYTES = 56;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EM_AARCH64 = 183;
const PT_LOAD = 1;

export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

interface Segment {
  readonly address: number;
  readonly virtual: number;
  readonly bytes: Uint8Array;
  readonly memoryBytes: number;
}

/** Throws UserError where the file is not a loadable AArch64 program. */
export function parseElf(name: string, bytes: Uint8Array): KernelImage {
  const damaged = (): UserError =>
    new UserError(`kernel ${name}: the ELF file is cut short; fetch or build it again`);
  if (bytes.length < EHDR_BYTES) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[4] !== ELFCLASS64 || bytes[5] !== ELFDATA2LSB || view.getUint16(18, true) !== EM_AARCH64) {
    throw new UserError(
      `kernel ${name}: the ELF file is not for little-endian AArch64; build it for aarch64`,
    );
  }
  const headersAt = number64(view, 32);
  const headerBytes = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (headerBytes < PHDR_BYTES || headersAt + count * headerBytes > bytes.length) throw damaged();
  const segments: Segment[] = [];
  for (let i = 0; i < count; i++) {
    const at = headersAt + i * headerBytes;
    const memoryBytes = number64(view, at + 40);
    if (view.getUint32(at, true) !== PT_LOAD || memoryBytes === 0) continue;
    const offset = number64(view, at + 8);
    const fileBytes = number64(view, at + 32);
    if (offset + fileBytes > bytes.length) throw damaged();
    segments.push({
      address: number64(view, at + 24),
      virtual: number64(view, at + 16),
      bytes: bytes.subarray(offset, offset + fileBytes),
      memoryBytes,
    });
  }
  if (segments.length === 0) {
    throw new UserError(`kernel ${name}: the ELF file has nothing to load; link it as an executable`);
  }
  return {
    format: 'elf',
    segments: segments.map(({ address, bytes }) => ({ address, bytes })),
    entry: physicalEntry(number64(view, 24), segments),
    start: Math.min(...segments.map((s) => s.address)),
    end: Math.max(...segments.map((s) => s.address + s.memoryBytes)),
  };
}

/** The MMU is off at the start, so an entry point that is given as a virtual address is translated. */
function physicalEntry(entry: number, segments: readonly Segment[]): number {
  const home = segments.find((s) => entry >= s.virtual && entry < s.virtual + s.memoryBytes);
  return home ? entry - home.virtual + home.address : entry;
}

/** Kernel-half virtual addresses lose low bits here; the range check against RAM refuses such files anyway. */
const number64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));
