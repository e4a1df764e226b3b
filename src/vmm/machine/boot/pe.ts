// What a PE file must hold (Microsoft PE format). An arm64 Image with an EFI stub is one, too (Linux
// arch/arm64/kernel/efi-header.S), and only this tells whether its end is there: image_size also counts what the kernel
// clears by itself.

const DOS_MAGIC = 0x5a4d;
const PE_MAGIC = 0x4550;
const OFFSET_AT = 60;
const SECTION_COUNT_AT = 6;
const OPTIONAL_BYTES_AT = 20;
const HEADER_BYTES = 24;
const SECTION_BYTES = 40;
const RAW_BYTES_AT = 16;
const RAW_OFFSET_AT = 20;

/** Whether a file is a PE file that lacks some of its headers or sections; `bytes` are 64 or more. */
export function isPeCutShort(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0, true) !== DOS_MAGIC) return false;
  const header = view.getUint32(OFFSET_AT, true);
  if (header + HEADER_BYTES > bytes.length) return true;
  if (view.getUint32(header, true) !== PE_MAGIC) return false;
  const sections = header + HEADER_BYTES + view.getUint16(header + OPTIONAL_BYTES_AT, true);
  const end = sections + SECTION_BYTES * view.getUint16(header + SECTION_COUNT_AT, true);
  if (end > bytes.length) return true;
  for (let at = sections; at < end; at += SECTION_BYTES) {
    const offset = view.getUint32(at + RAW_OFFSET_AT, true);
    if (offset + view.getUint32(at + RAW_BYTES_AT, true) > bytes.length) return true;
  }
  return false;
}
