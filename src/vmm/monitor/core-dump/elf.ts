// ELF64 core files, their headers and notes (System V gABI, 4 and 5; Linux fs/binfmt_elf.c). Knows nothing of machines.

export const PT_LOAD = 1;
export const PT_NOTE = 4;
/** Packed allocation tags of the memory at p_vaddr, two granules a byte (Linux, elf.h). */
export const PT_AARCH64_MEMTAG_MTE = 0x7000_0002;
export const PF_RWX = 7;

export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  /** In the file; may be less than in memory, where there is nothing to show. */
  readonly fileBytes: number;
  readonly memoryBytes: number;
}

export interface Note {
  readonly owner: string;
  readonly type: number;
  readonly content: Uint8Array;
}

const EHDR_BYTES = 64;
const PHDR_BYTES = 56;
const SHDR_BYTES = 64;
const ET_CORE = 4;
const EM_AARCH64 = 183;
/** More program headers than this are counted in the first section header. */
const PN_XNUM = 0xffff;
/** Loads start at a multiple of this in the file, as in memory. */
const ALIGNMENT = 0x1000;

const aligned = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Name and content each padded to four bytes. */
export function noteBytes(notes: readonly Note[]): Uint8Array {
  const size = ({ owner, content }: Note): number =>
    12 + aligned(owner.length + 1, 4) + aligned(content.length, 4);
  const bytes = new Uint8Array(notes.reduce((sum, note) => sum + size(note), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const note of notes) {
    const { owner, type, content } = note;
    view.setUint32(at, owner.length + 1, true);
    view.setUint32(at + 4, content.length, true);
    view.setUint32(at + 8, type, true);
    for (let n = 0; n < owner.length; n++) bytes[at + 12 + n] = owner.charCodeAt(n);
    bytes.set(content, at + 12 + aligned(owner.length + 1, 4));
    at += size(note);
  }
  return bytes;
}

export interface Layout {
  /** Everything before the first segment's content. */
  readonly head: Uint8Array;
  /** Where each segment's content stands in the file. */
  readonly offsets: readonly number[];
  readonly fileBytes: number;
}

/** Headers and notes of a core with these segments, and where their content goes. */
export function layOut(notes: Uint8Array, segments: readonly Segment[]): Layout {
  const count = segments.length + 1;
  const many = count >= PN_XNUM;
  const headers = EHDR_BYTES + count * PHDR_BYTES + (many ? SHDR_BYTES : 0);
  const noteAt = aligned(headers, 4);
  let end = aligned(noteAt + notes.length, ALIGNMENT);
  const offsets = segments.map(({ fileBytes }) => {
    const at = end;
    end = aligned(end + fileBytes, ALIGNMENT);
    return at;
  });
  const head = new Uint8Array(noteAt + notes.length);
  const view = new DataView(head.buffer);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, ET_CORE, true);
  view.setUint16(18, EM_AARCH64, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(32, BigInt(EHDR_BYTES), true);
  view.setUint16(52, EHDR_BYTES, true);
  view.setUint16(54, PHDR_BYTES, true);
  view.setUint16(56, many ? PN_XNUM : count, true);
  view.setUint16(58, SHDR_BYTES, true);
  if (many) {
    const sectionAt = EHDR_BYTES + count * PHDR_BYTES;
    view.setBigUint64(40, BigInt(sectionAt), true);
    view.setUint16(60, 1, true);
    view.setUint32(sectionAt + 44, count, true);
  }
  const header = (n: number, s: Segment, offset: number): void => {
    const at = EHDR_BYTES + n * PHDR_BYTES;
    view.setUint32(at, s.type, true);
    view.setUint32(at + 4, s.flags, true);
    const physical = s.type === PT_LOAD ? s.address : 0;
    const words = [offset, s.address, physical, s.fileBytes, s.memoryBytes];
    for (const [k, word] of words.entries()) view.setBigUint64(at + 8 + 8 * k, BigInt(word), true);
  };
  header(0, { type: PT_NOTE, flags: 0, address: 0, fileBytes: notes.length, memoryBytes: 0 }, noteAt);
  for (const [n, segment] of segments.entries()) header(n + 1, segment, offsets[n] as number);
  head.set(notes, noteAt);
  return { head, offsets, fileBytes: end };
}
