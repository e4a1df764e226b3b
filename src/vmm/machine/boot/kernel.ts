// Recognises a kernel file and says which bytes go where and where execution starts. Formats: the arm64 Image
// (Linux Documentation/arch/arm64/booting.rst, section 4), the same inside gzip or an EFI zboot wrapper, and
// ELF. It knows the start and size of RAM and nothing else about the board.

import { UserError } from '../errors.ts';
import { isElf, parseElf } from './elf.ts';
import { gunzip, isGzip } from './gunzip.ts';
import type { KernelImage, RamRange } from './kernel-image.ts';
import { isPeCutShort } from './pe.ts';

const IMAGE_HEADER_BYTES = 64;
const IMAGE_MAGIC = 0x644d5241;
const IMAGE_MAGIC_AT = 56;
/** What text_offset means where image_size is zero (kernels before 3.17). */
const OLD_TEXT_OFFSET = 0x80000;
const FLAG_BIG_ENDIAN = 1n;
const UNPACKED_LIMIT = 1 << 30;

/** Throws UserError where `file` is no kernel for this machine. `name` is what the user called it. */
export async function parseKernel(name: string, file: Uint8Array, ram: RamRange): Promise<KernelImage> {
  const bytes = await unwrap(name, file);
  const image = isElf(bytes) ? parseElf(name, bytes) : parseImage(name, bytes, ram.base);
  const ramEnd = ram.base + ram.size;
  if (image.start < ram.base || image.end > ramEnd) {
    const where = `0x${image.start.toString(16)}-0x${image.end.toString(16)}`;
    throw new UserError(
      image.start < ram.base || image.start >= ramEnd
        ? `kernel ${name}: it is linked for ${where}, outside of RAM, which starts at 0x${ram.base.toString(16)}; use arch/arm64/boot/Image, or link it into RAM`
        : `kernel ${name}: it occupies ${where}, but RAM ends at 0x${ramEnd.toString(16)}; give the machine more memory`,
    );
  }
  return image;
}

/** Takes off compression. */
async function unwrap(name: string, file: Uint8Array): Promise<Uint8Array> {
  if (file.length === 0)
    throw new UserError(`kernel ${name}: the file is empty; give an arm64 Image or an ELF file`);
  if (isGzip(file)) return unpack(name, file);
  if (isZboot(file)) return unpackZboot(name, file);
  return file;
}

async function unpack(name: string, packed: Uint8Array): Promise<Uint8Array> {
  try {
    return await gunzip(packed, UNPACKED_LIMIT);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(`kernel ${name}: its gzip data is damaged (${why}); fetch or build it again`);
  }
}

// EFI zboot (Linux drivers/firmware/efi/libstub/zboot-header.S): 'MZ', 0, 0, 'zimg', payload offset and size,
// two reserved words, and the name of the compression.
const ZBOOT_OFFSET_AT = 8;
const ZBOOT_SIZE_AT = 12;
const ZBOOT_COMPRESSION_AT = 24;

const textAt = (bytes: Uint8Array, at: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + length)).replace(/\0.*$/s, '');

const isZboot = (bytes: Uint8Array): boolean =>
  textAt(bytes, 0, 2) === 'MZ' && textAt(bytes, 4, 4) === 'zimg';

async function unpackZboot(name: string, file: Uint8Array): Promise<Uint8Array> {
  const compression = textAt(file, ZBOOT_COMPRESSION_AT, 32);
  if (compression !== 'gzip') {
    throw new UserError(
      `kernel ${name}: its EFI zboot payload is packed with ${compression || 'an unnamed method'}, and only gzip is understood; use the uncompressed arch/arm64/boot/Image`,
    );
  }
  const view = viewOf(file);
  const offset = view.getUint32(ZBOOT_OFFSET_AT, true);
  const size = view.getUint32(ZBOOT_SIZE_AT, true);
  if (offset + size > file.length) throw cutShort(name);
  return unpack(name, file.subarray(offset, offset + size));
}

const cutShort = (name: string): UserError =>
  new UserError(`kernel ${name}: the file is shorter than its header says; fetch or build it again`);

function parseImage(name: string, bytes: Uint8Array, ramBase: number): KernelImage {
  if (bytes.length < IMAGE_HEADER_BYTES || viewOf(bytes).getUint32(IMAGE_MAGIC_AT, true) !== IMAGE_MAGIC) {
    throw new UserError(`kernel ${name}: ${describeOther(bytes)}; give an arm64 Image, Image.gz or ELF file`);
  }
  const view = viewOf(bytes);
  const flags = view.getBigUint64(24, true);
  if (flags & FLAG_BIG_ENDIAN) {
    throw new UserError(`kernel ${name}: it is a big-endian kernel; build it without CONFIG_CPU_BIG_ENDIAN`);
  }
  if (isPeCutShort(bytes)) throw cutShort(name);
  const imageSize = Number(view.getBigUint64(16, true));
  const textOffset = imageSize === 0 ? OLD_TEXT_OFFSET : Number(view.getBigUint64(8, true));
  // RAM starts at a multiple of 2 MiB, and nothing of ours stands before the kernel: this suits both kernels
  // that want the lowest base (flag bit 3 clear) and those that take any.
  const start = ramBase + textOffset;
  const end = start + Math.max(bytes.length, imageSize);
  return { format: 'image', segments: [{ address: start, bytes }], entry: start, start, end };
}

/** A guess at what a file is that is no kernel for this machine. */
function describeOther(bytes: Uint8Array): string {
  const magic = bytes.length >= 4 ? viewOf(bytes).getUint32(0) : 0;
  if (bytes.length > 0x206 && textAt(bytes, 0x202, 4) === 'HdrS') return 'it is an x86 bzImage';
  if (magic === 0x27051956) return 'it is a U-Boot uImage';
  if (magic === 0xd00dfeed) return 'it is a device tree or a FIT image';
  if (magic === 0x28b52ffd) return 'it is packed with zstd, which is not understood';
  if (magic === 0xfd377a58) return 'it is packed with xz, which is not understood';
  if (textAt(bytes, 0, 6) === '070701') return 'it is a cpio archive, which belongs in the initrd';
  if (textAt(bytes, 0, 2) === 'MZ') return 'it is an EFI program without an arm64 Image header';
  return 'it has no arm64 Image header';
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
