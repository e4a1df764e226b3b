// Makes the smallest ELF file that has a .modinfo section, for tests of what reads kernel modules.

const SHAPES = {
  64: { header: 64, shoff: 0x28, shentsize: 0x3a, entry: 64, offset: 0x18, size: 0x20 },
  32: { header: 52, shoff: 0x20, shentsize: 0x2e, entry: 40, offset: 0x10, size: 0x14 },
} as const;

export function elfModule(modinfo: Readonly<Record<string, string>>, bits: 32 | 64 = 64): Uint8Array {
  const shape = SHAPES[bits];
  const info = Buffer.from(
    Object.entries(modinfo)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(''),
    'latin1',
  );
  const names = Buffer.from('\0.modinfo\0.shstrtab\0', 'latin1');
  const headers = shape.header + info.length + names.length;
  const elf = Buffer.alloc(headers + 3 * shape.entry);
  const word = (at: number, value: number): void => {
    if (bits === 64) elf.writeBigUInt64LE(BigInt(value), at);
    else elf.writeUInt32LE(value, at);
  };
  elf.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, 1, 1]);
  word(shape.shoff, headers);
  elf.writeUInt16LE(shape.entry, shape.shentsize);
  elf.writeUInt16LE(3, shape.shentsize + 2);
  elf.writeUInt16LE(2, shape.shentsize + 4);
  elf.set(info, shape.header);
  elf.set(names, shape.header + info.length);
  const section = (index: number, name: number, offset: number, size: number): void => {
    const at = headers + index * shape.entry;
    elf.writeUInt32LE(name, at);
    word(at + shape.offset, offset);
    word(at + shape.size, size);
  };
  section(1, 1, shape.header, info.length);
  section(2, 10, shape.header + info.length, names.length);
  return elf;
}
