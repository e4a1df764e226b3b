// Words of 8 bytes and bytes, little-endian.

export function bytesOf(words: readonly bigint[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, n) => {
    view.setBigUint64(8 * n, word, true);
  });
  return bytes;
}

export const wordAt = (bytes: Uint8Array, at: number): bigint =>
  new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
