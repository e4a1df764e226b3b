// The host's physical memory: frames of 4 KiB, their allocation tags, and a small area for the engine's own
// tables and CPU registers, all in one WebAssembly linear memory. It knows addresses, not owners: who may reach
// a frame is the hypervisor's ledger to say. The operating system backs pages only when they are first written.

import { type FrameNumber, type HostOffset, hostOffset, PAGE_SIZE, TAG_GRANULE } from '../../lib/index.ts';
import { AllocationTags } from './allocation-tags.ts';

const WASM_PAGE = 65536;
/** wasm32 addresses 4 GiB; the last page stays out so that offset arithmetic never wraps. */
const MAX_BYTES = 0xffff0000;

export interface PhysicalMemoryOptions {
  /** How many frames of 4 KiB the host has. */
  readonly frames: number;
  /** Bytes for reserve(): CPU states, soft TLBs and tables. Default 16 MiB. */
  readonly systemBytes?: number;
}

export class PhysicalMemory {
  readonly memory: WebAssembly.Memory;
  readonly frames: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  /** Offset of frame 0. */
  readonly framesBase: HostOffset;
  readonly allocationTags: AllocationTags;
  private next: number = PAGE_SIZE;
  private readonly systemEnd: number;

  /** Throws RangeError where the frames do not fit in one linear memory. */
  constructor(options: PhysicalMemoryOptions) {
    const align = (n: number) => Math.ceil(n / WASM_PAGE) * WASM_PAGE;
    const system = align(options.systemBytes ?? 16 << 20);
    const tags = align((options.frames * PAGE_SIZE) / TAG_GRANULE);
    const marks = align(options.frames);
    const bytes = system + tags + marks + align(options.frames * PAGE_SIZE);
    if (!Number.isInteger(options.frames) || options.frames <= 0 || bytes > MAX_BYTES) {
      throw new RangeError(`host memory of ${options.frames} frames does not fit in ${MAX_BYTES} bytes`);
    }
    this.frames = options.frames;
    this.systemEnd = system;
    this.framesBase = hostOffset(system + tags + marks);
    this.memory = new WebAssembly.Memory({ initial: bytes / WASM_PAGE, maximum: bytes / WASM_PAGE });
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    const places = { frames: this.framesBase, tags: system, marks: system + tags };
    this.allocationTags = new AllocationTags(this.u8, this.u32, options.frames, places);
  }

  /** Where the tag of a byte at host offset h is: tagBias + (h >>> 4). */
  get tagBias(): number {
    return this.allocationTags.bias;
  }

  /** Takes zeroed bytes from the system area, for good. `align` is a power of two. Throws RangeError when full. */
  reserve(bytes: number, align = 16): number {
    const at = (this.next + align - 1) & -align;
    if (at + bytes > this.systemEnd) throw new RangeError(`system area full: ${bytes} bytes wanted`);
    this.next = at + bytes;
    return at;
  }

  offsetOf(frame: FrameNumber): HostOffset {
    return hostOffset(this.framesBase + frame * PAGE_SIZE);
  }

  frameAt(offset: HostOffset): FrameNumber {
    return Math.floor((offset - this.framesBase) / PAGE_SIZE) as FrameNumber;
  }

  /** The 4096 data bytes of a frame, as a live view. */
  data(frame: FrameNumber): Uint8Array {
    const at = this.offsetOf(frame);
    return this.u8.subarray(at, at + PAGE_SIZE);
  }

  /** The 256 allocation tags of a frame, one per byte (0..15), as a live view; writableTags() is for changing them. */
  tags(frame: FrameNumber): Readonly<Uint8Array> {
    return this.allocationTags.read(this.offsetOf(frame));
  }

  /** The same, to be written at once. */
  writableTags(frame: FrameNumber): Uint8Array {
    return this.allocationTags.write(this.offsetOf(frame));
  }

  /** Zeroes a frame's data and tags. */
  scrub(frame: FrameNumber): void {
    this.data(frame).fill(0);
    this.writableTags(frame).fill(0);
  }
}
