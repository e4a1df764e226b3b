// Makes the smallest ELF64 file that has a .modinfo section, for tests of what reads kernel modules.

export function elfModule(modinfo: Readonly<Record<string, string>>): Uint8Array {
  const info = Buffer.from(
    Object.entries(modinfo)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(''),
    'latin1',
  );
  const names = Buffer.from('\0.modinfo\0.shstrtab\0', 'latin1');
  const headers = 64 + info.length + names.length;
  const elf = Buffer.alloc(headers + 3 * 64);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeBigUInt64LE(BigInt(headers), 0x28);
  elf.writeUInt16LE(64, 0x3a);
  elf.writeUInt16LE(3, 0x3c);
  elf.writeUInt16LE(2, 0x3e);
  elf.set(info, 64);
  elf.set(names, 64 + info.length);
  const section = (index: number, name: number, offset: number, size: number): void => {
    const at = headers + index * 64;
    elf.writeUInt32LE(name, at);
    elf.writeBigUInt64LE(BigInt(offset), at + 0x18);
    elf.writeBigUInt64LE(BigInt(size), at + 0x20);
  };
  section(1, 1, 64, info.length);
  section(2, 10, 64 + info.length, names.length);
  return elf;
}
