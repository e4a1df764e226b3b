import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpackStream } from '../../../src/vmm/machine/boot/gunzip.ts';
import { loadFile, parseKernel, placeBootFiles } from '../../../src/vmm/machine/boot/index.ts';
import { UserError } from '../../../src/vmm/machine/errors.ts';

const MIB = 1 << 20;
const RAM = { base: 0x4000_0000, size: 256 * MIB };

/** An arm64 Image header (booting.rst, section 4) and some bytes after it. */
function image(
  options: { textOffset?: number; imageSize?: number; flags?: number; bytes?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array(options.bytes ?? 4096);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, BigInt(options.textOffset ?? 0), true);
  view.setBigUint64(16, BigInt(options.imageSize ?? 0x9000), true);
  view.setBigUint64(24, BigInt(options.flags ?? 0xa), true);
  view.setUint32(56, 0x644d5241, true);
  return bytes;
}

interface ElfSegment {
  paddr: number;
  vaddr?: number;
  data: number[];
  memsz?: number;
}

function elf(segments: ElfSegment[], entry: number, machine = 183): Uint8Array {
  const bytes = new Uint8Array(64 + 56 * segments.length + 64 * segments.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  segments.forEach((segment, i) => {
    const at = 64 + 56 * i;
    const data = 64 + 56 * segments.length + 64 * i;
    view.setUint32(at, 1, true);
    view.setBigUint64(at + 8, BigInt(data), true);
    view.setBigUint64(at + 16, BigInt(segment.vaddr ?? segment.paddr), true);
    view.setBigUint64(at + 24, BigInt(segment.paddr), true);
    view.setBigUint64(at + 32, BigInt(segment.data.length), true);
    view.setBigUint64(at + 40, BigInt(segment.memsz ?? segment.data.length), true);
    bytes.set(segment.data, data);
  });
  return bytes;
}

const refusal = async (file: Uint8Array): Promise<string> => {
  const error = await parseKernel('k', file, RAM).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
};

describe('arm64 Image (booting.rst, section 4)', () => {
  it('stands text_offset into RAM and occupies image_size', async () => {
    const kernel = await parseKernel('k', image({ textOffset: 0x1000, imageSize: 0x9000 }), RAM);
    expect(kernel).toMatchObject({
      format: 'image',
      entry: 0x4000_1000,
      start: 0x4000_1000,
      end: 0x4000_a000,
    });
    expect(kernel.segments.length).toBe(1);
  });

  it('of before 3.17, without image_size, stands at 0x80000', async () => {
    const kernel = await parseKernel('k', image({ textOffset: 0x123, imageSize: 0 }), RAM);
    expect(kernel.start).toBe(0x4008_0000);
    expect(kernel.end).toBe(0x4008_1000);
  });

  it('may be packed with gzip', async () => {
    const plain = image({ bytes: 300_000 });
    const kernel = await parseKernel('k', gzipSync(plain), RAM);
    expect(Buffer.compare(kernel.segments[0].bytes, plain)).toBe(0);
  });

  it('unpacks alike where there is no zlib', async () => {
    const packed = gzipSync(new Uint8Array(200_000).fill(7));
    const unpacked = await unpackStream(packed, 1 << 20);
    expect(Buffer.compare(unpacked, new Uint8Array(200_000).fill(7))).toBe(0);
    await expect(unpackStream(packed, 1000)).rejects.toThrow('more than 1000 bytes');
    await expect(unpackStream(packed.subarray(0, 50), 1 << 20)).rejects.toThrow();
  });

  it('may be in an EFI zboot wrapper', async () => {
    const payload = gzipSync(image());
    const wrapped = new Uint8Array(256 + payload.length + 10);
    wrapped.set(new TextEncoder().encode('MZ\0\0zimg'));
    new DataView(wrapped.buffer).setUint32(8, 256, true);
    new DataView(wrapped.buffer).setUint32(12, payload.length, true);
    wrapped.set(new TextEncoder().encode('gzip\0'), 24);
    wrapped.set(payload, 256);
    expect((await parseKernel('k', wrapped, RAM)).entry).toBe(0x4000_0000);
    wrapped.set(new TextEncoder().encode('zstd\0'), 24);
    expect(await refusal(wrapped)).toContain('packed with zstd');
  });

  it('with an EFI stub is refused where any of its end is missing', async () => {
    const file = image({ bytes: 700 });
    const view = new DataView(file.buffer);
    const [header, optional, sections] = [64, 48, 2];
    view.setUint16(0, 0x5a4d, true);
    view.setUint32(60, header, true);
    view.setUint32(header, 0x4550, true);
    view.setUint16(header + 6, sections, true);
    view.setUint16(header + 20, optional, true);
    for (const [k, [offset, bytes]] of [
      [256, 200],
      [456, 144],
    ].entries()) {
      const at = header + 24 + optional + 40 * k;
      view.setUint32(at + 16, bytes as number, true);
      view.setUint32(at + 20, offset as number, true);
    }
    for (let length = 64; length < 600; length++) {
      expect(await refusal(file.subarray(0, length))).toContain('the file is shorter than its header says');
    }
    for (const length of [600, 700]) await parseKernel('k', file.subarray(0, length), RAM);
  });

  it('is refused in one sentence that says what it is instead', async () => {
    const text = (s: string): Uint8Array => {
      const bytes = new Uint8Array(1024);
      bytes.set(new TextEncoder().encode(s));
      return bytes;
    };
    const bz = new Uint8Array(1024);
    bz.set(new TextEncoder().encode('HdrS'), 0x202);
    expect(await refusal(bz)).toContain('x86 bzImage');
    expect(await refusal(text('hello'))).toContain('has no arm64 Image header');
    expect(await refusal(text('070701'))).toContain('belongs in the initrd');
    expect(await refusal(new Uint8Array(0))).toContain('is empty');
    expect(await refusal(new Uint8Array([1, 2, 3]))).toContain('has no arm64 Image header');
    expect(await refusal(new Uint8Array([0x1f, 0x8b, 8, 0, 1, 2, 3]))).toContain('gzip data is damaged');
    expect(await refusal(image({ flags: 1 }))).toContain('big-endian');
    expect(await refusal(image({ imageSize: 1 << 30 }))).toContain('more memory');
  });
});

describe('ELF kernels', () => {
  it('load their segments at physical addresses', async () => {
    const file = elf(
      [
        { paddr: 0x4008_0000, data: [1, 2] },
        { paddr: 0x4010_0000, data: [3], memsz: 0x2000 },
      ],
      0x4008_0004,
    );
    const kernel = await parseKernel('k', file, RAM);
    expect(kernel).toMatchObject({ format: 'elf', entry: 0x4008_0004, start: 0x4008_0000, end: 0x4010_2000 });
    expect(kernel.segments.map((s) => [s.address, ...s.bytes])).toEqual([
      [0x4008_0000, 1, 2],
      [0x4010_0000, 3],
    ]);
  });

  it('start at the physical address of a virtual entry point', async () => {
    const file = elf(
      [{ paddr: 0x4008_0000, vaddr: 0x80_0000_0000, data: [1, 2, 3, 4, 5, 6, 7, 8] }],
      0x80_0000_0004,
    );
    expect((await parseKernel('k', file, RAM)).entry).toBe(0x4008_0004);
  });

  it('are refused where they are not for this machine or not for its RAM', async () => {
    expect(await refusal(elf([{ paddr: 0x4000_0000, data: [1] }], 0x4000_0000, 62))).toContain(
      'not for little-endian AArch64',
    );
    expect(await refusal(elf([{ paddr: 0x1000, data: [1] }], 0x1000))).toContain('outside of RAM');
    expect(await refusal(elf([], 0))).toContain('nothing to load');
    expect(await refusal(elf([{ paddr: 0x4000_0000, data: [1] }], 0).subarray(0, 100))).toContain(
      'cut short',
    );
    const long = elf([{ paddr: 0x4000_0000, data: [1] }], 0x4000_0000);
    new DataView(long.buffer).setBigUint64(64 + 32, 1n << 60n, true);
    expect(await refusal(long)).toContain('cut short');
  });
});

describe('placement (booting.rst, sections 2 and 4)', () => {
  const kernel = { format: 'image', start: RAM.base, end: RAM.base + 30 * MIB + 5 } as const;

  it('puts tree and initrd behind the kernel without overlap', () => {
    const placed = placeBootFiles(RAM, kernel, { name: 'i', bytes: 7 * MIB });
    expect(placed.tree).toBe(RAM.base + 32 * MIB);
    expect(placed.treeRoom).toBe(2 * MIB);
    expect(placed.initrd).toEqual({ start: RAM.base + 34 * MIB, end: RAM.base + 41 * MIB });
  });

  it('puts the tree of an ELF program at the start of RAM where there is room', () => {
    const placed = placeBootFiles(
      RAM,
      { format: 'elf', start: RAM.base + 0x80000, end: RAM.base + 3 * MIB },
      undefined,
    );
    expect(placed).toEqual({ tree: RAM.base, treeRoom: 0x80000, initrd: undefined });
    const full = placeBootFiles(RAM, { format: 'elf', start: RAM.base, end: RAM.base + 3 * MIB }, undefined);
    expect(full.tree).toBe(RAM.base + 4 * MIB);
  });

  it('says how much memory an initrd needs', () => {
    expect(() => placeBootFiles(RAM, kernel, { name: 'big.cpio', bytes: 250 * MIB })).toThrow(
      'initrd big.cpio: its 250 MiB do not fit after the kernel in 256 MiB of RAM; give the machine at least 284 MiB',
    );
    expect(() => placeBootFiles({ ...RAM, size: 31 * MIB }, kernel, undefined)).toThrow(
      'no room for the device tree',
    );
  });
});

describe('boot files', () => {
  it('that cannot be read are named', async () => {
    await expect(loadFile('kernel', '/nowhere/Image')).rejects.toThrow(
      'kernel /nowhere/Image: there is no such file; check the path',
    );
    await expect(loadFile('initrd', '/')).rejects.toThrow('initrd /: it is a directory');
  });
});
