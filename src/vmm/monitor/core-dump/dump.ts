// A core dump of a machine that stands still: its RAM by guest-physical address, with tags, as far as the ledger lets
// a debugger see it. Content goes out piece by piece; pages of zeros are holes of the file.

import { PAGE_SIZE } from '../../../lib/index.ts';
import type { MachineDebugger } from '../../machine/index.ts';
import { layOut, noteBytes, PF_RWX, PT_AARCH64_MEMTAG_MTE, PT_LOAD, type Segment } from './elf.ts';
import { type AddressRange, notesOf } from './notes.ts';

/** Where a dump goes: pieces at ascending positions, zeros left out, and at the end the length of the whole. */
export interface CoreSink {
  write(position: number, bytes: Uint8Array): void | Promise<void>;
  end(length: number): void | Promise<void>;
}

export interface DumpOptions {
  /** Only the memory of this range. */
  readonly range?: AddressRange;
}

export interface DumpSummary {
  readonly bytes: number;
  readonly writtenBytes: number;
  readonly withheldBytes: number;
}

type Stretch = ReturnType<MachineDebugger['stretches']> extends Iterable<infer S> ? S : never;

/** Neighbours that are one segment: shown or withheld. Only parts with content are read. */
interface Area extends AddressRange {
  readonly withheld: boolean;
  readonly content: Stretch[];
}

/** Pages that are read and written at a time. */
const PIECE = 256 * PAGE_SIZE;
const TAG_GRANULE = 16;
/** Two tags a byte. */
const BYTES_PER_PACKED_TAG = 2 * TAG_GRANULE;

/** Writes the dump. The machine must not run meanwhile. */
export async function dumpCore(
  face: MachineDebugger,
  sink: CoreSink,
  { range }: DumpOptions = {},
): Promise<DumpSummary> {
  const all = areasOf(face, range);
  // No segment at all: debuggers show one without content as zeros.
  const withheld = all.filter((area) => area.withheld);
  const areas = all.filter((area) => !area.withheld);
  const tagged = face.hasMte ? areas : [];
  const segments: Segment[] = [
    ...areas.map(({ address, bytes }) => ({
      type: PT_LOAD,
      flags: PF_RWX,
      address,
      fileBytes: bytes,
      memoryBytes: bytes,
    })),
    ...tagged.map(({ address, bytes }) => ({
      type: PT_AARCH64_MEMTAG_MTE,
      flags: 0,
      address,
      fileBytes: bytes / BYTES_PER_PACKED_TAG,
      memoryBytes: bytes,
    })),
  ];
  const { head, offsets, fileBytes } = layOut(noteBytes(notesOf(face, withheld)), segments);
  let writtenBytes = head.length;
  const put = async (position: number, bytes: Uint8Array): Promise<void> => {
    if (bytes.every((byte) => byte === 0)) return;
    writtenBytes += bytes.length;
    await sink.write(position, bytes);
  };
  await sink.write(0, head);
  for (const [n, area] of areas.entries()) {
    await eachPiece(area, false, (address, bytes) =>
      put((offsets[n] as number) + address - area.address, read(face, address, bytes)),
    );
  }
  for (const [n, area] of tagged.entries()) {
    const start = offsets[areas.length + n] as number;
    await eachPiece(area, true, (address, bytes) =>
      put(start + (address - area.address) / BYTES_PER_PACKED_TAG, packedTags(face, address, bytes)),
    );
  }
  await sink.end(fileBytes);
  return {
    bytes: fileBytes,
    writtenBytes,
    withheldBytes: withheld.reduce((sum, area) => sum + area.bytes, 0),
  };
}

function areasOf(face: MachineDebugger, range: AddressRange | undefined): Area[] {
  const areas: (Area & { bytes: number })[] = [];
  for (const whole of face.stretches()) {
    const stretch = range ? clipped(whole, range) : whole;
    if (!stretch) continue;
    const withheld = stretch.kind === 'withheld';
    let last = areas.at(-1);
    if (!last || last.withheld !== withheld || last.address + last.bytes !== stretch.address) {
      last = { address: stretch.address, bytes: 0, withheld, content: [] };
      areas.push(last);
    }
    last.bytes += stretch.bytes;
    if (stretch.kind === 'content') last.content.push(stretch);
  }
  return areas;
}

/** The whole pages of a stretch that a range touches. */
function clipped(stretch: Stretch, range: AddressRange): Stretch | undefined {
  const from = Math.max(stretch.address, Math.floor(range.address / PAGE_SIZE) * PAGE_SIZE);
  const end = Math.ceil((range.address + range.bytes) / PAGE_SIZE) * PAGE_SIZE;
  const to = Math.min(stretch.address + stretch.bytes, end);
  return from < to ? { ...stretch, address: from, bytes: to - from } : undefined;
}

async function eachPiece(
  area: Area,
  tagged: boolean,
  visit: (address: number, bytes: number) => Promise<void>,
): Promise<void> {
  for (const { address, bytes, tagged: hasTags } of area.content) {
    if (tagged && !hasTags) continue;
    for (let done = 0; done < bytes; done += PIECE)
      await visit(address + done, Math.min(PIECE, bytes - done));
  }
}

function read(face: MachineDebugger, address: number, bytes: number): Uint8Array {
  const data = new Uint8Array(bytes);
  const refusal = face.readPhysical(address, data);
  if (refusal) throw new Error(`0x${address.toString(16)} changed hands during the dump: ${refusal.reason}`);
  return data;
}

/** The earlier granule's tag in the low four bits. */
function packedTags(face: MachineDebugger, address: number, bytes: number): Uint8Array {
  const tags = new Uint8Array(bytes / TAG_GRANULE);
  face.readPhysicalTags(address, tags);
  const packed = new Uint8Array(tags.length / 2);
  for (let n = 0; n < packed.length; n++) {
    packed[n] = (tags[2 * n] as number) | ((tags[2 * n + 1] as number) << 4);
  }
  return packed;
}
