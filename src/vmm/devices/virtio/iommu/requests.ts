// The IOMMU's request and event queues (virtio 1.3, 5.13.6). Linux discards a status that is not inside the used
// length and takes the request for done, so a request always returns its whole writable part.

import type { Chain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';
import { type Domains, IOMMU_S, type IommuFault, type IommuStatus, MAP_F } from './domains.ts';

/** Request types (virtio 1.3, 5.13.6). */
export const IOMMU_T = { ATTACH: 1, DETACH: 2, MAP: 3, UNMAP: 4, PROBE: 5 } as const;
/** Bytes of the property buffer that a probe request has to offer. */
export const PROBE_BYTES = 512;

const HEAD_BYTES = 4;
const TAIL_BYTES = 4;
/** Readable bytes with the head, by type; a probe's body is 4 + 64 bytes. */
const READABLE_BYTES: Readonly<Record<number, number>> = { 1: 20, 2: 20, 3: 36, 4: 28, 5: 72 };
const MOST_READABLE = 72;
const MOST_WRITABLE = PROBE_BYTES + TAIL_BYTES;
const ATTACH_F_BYPASS = 1;
const PROBE_T_RESV_MEM = 1;
const RESV_MEM_T_MSI = 1;
const RESV_MEM_BYTES = 20;
const EVENT_BYTES = 24;
const FAULT_F_ADDRESS = 0x100;

/** Addresses that no mapping may use because messages are written there untranslated; `end` is inclusive. */
export interface MsiWindow {
  readonly start: number;
  readonly end: number;
}

export interface IommuOptionsNegotiated {
  readonly attachBypass: boolean;
  readonly mmio: boolean;
}

export class IommuQueues {
  private readonly requests: Virtqueue | undefined;
  private readonly events: Virtqueue | undefined;
  private readonly domains: Domains;
  private readonly msiWindow: MsiWindow | undefined;
  private readonly negotiated: IommuOptionsNegotiated;
  private readonly refusals: RefusalLog;
  private readonly input = new Uint8Array(MOST_READABLE);
  private readonly inputView = new DataView(this.input.buffer);
  private readonly output = new Uint8Array(MOST_WRITABLE);
  private readonly outputView = new DataView(this.output.buffer);

  constructor(
    queues: readonly (Virtqueue | undefined)[],
    domains: Domains,
    msiWindow: MsiWindow | undefined,
    negotiated: IommuOptionsNegotiated,
    refusals: RefusalLog,
  ) {
    [this.requests, this.events] = queues;
    this.domains = domains;
    this.msiWindow = msiWindow;
    this.negotiated = negotiated;
    this.refusals = refusals;
  }

  serve(): void {
    const queue = this.requests;
    if (!queue) return;
    serve(queue, (chain) => {
      // Longer buffers than any request has are an error that cannot be reported in full: the queue breaks.
      if (chain.writableLength < TAIL_BYTES || chain.writableLength > MOST_WRITABLE) {
        queue.fail(`an IOMMU request with ${chain.writableLength} writable bytes`);
        return false;
      }
      this.output.fill(0);
      this.output[chain.writableLength - TAIL_BYTES] = this.execute(chain);
      const refusal = chain.write(0, this.output.subarray(0, chain.writableLength));
      if (refusal) this.refusals.note('status of an IOMMU request', refusal);
      queue.complete(chain, refusal ? 0 : chain.writableLength);
      return true;
    });
  }

  /** A fault event, if the driver has left a buffer for it; else it is lost (5.13.6.9). */
  fault(endpoint: number, address: number, access: number, { reason }: IommuFault): void {
    const chain = this.events?.pop();
    if (!this.events || !chain) return;
    const event = new DataView(new ArrayBuffer(EVENT_BYTES));
    event.setUint8(0, reason);
    event.setUint32(4, (access & (MAP_F.READ | MAP_F.WRITE)) | FAULT_F_ADDRESS, true);
    event.setUint32(8, endpoint, true);
    event.setBigUint64(16, BigInt(address), true);
    const bytes = new Uint8Array(event.buffer, 0, Math.min(EVENT_BYTES, chain.writableLength));
    const refusal = chain.write(0, bytes);
    if (refusal) this.refusals.note('fault event', refusal);
    this.events.complete(chain, refusal ? 0 : bytes.length);
    this.events.publish();
  }

  private execute(chain: Chain): IommuStatus {
    const length = Math.min(chain.readableLength, MOST_READABLE);
    if (length < HEAD_BYTES) return IOMMU_S.INVAL;
    const refusal = chain.read(0, this.input.subarray(0, length));
    if (refusal) {
      this.refusals.note('IOMMU request', refusal);
      return IOMMU_S.FAULT;
    }
    const type = this.input[0];
    const needed = READABLE_BYTES[type];
    if (needed === undefined) return IOMMU_S.UNSUPP;
    if (length < needed) return IOMMU_S.INVAL;
    switch (type) {
      case IOMMU_T.ATTACH:
        return this.attach();
      case IOMMU_T.DETACH:
        return this.word(12) === 0 && this.word(16) === 0
          ? this.domains.detach(this.word(4), this.word(8))
          : IOMMU_S.INVAL;
      case IOMMU_T.MAP:
        return this.map();
      case IOMMU_T.UNMAP:
        return this.domains.unmap(this.word(4), this.address(8), this.address(16));
      default:
        return this.probe(chain.writableLength - TAIL_BYTES);
    }
  }

  private attach(): IommuStatus {
    const flags = this.word(12);
    const allowed = this.negotiated.attachBypass ? ATTACH_F_BYPASS : 0;
    if ((flags & ~allowed) !== 0 || this.word(16) !== 0) return IOMMU_S.INVAL;
    return this.domains.attach(this.word(4), this.word(8), (flags & ATTACH_F_BYPASS) !== 0);
  }

  private map(): IommuStatus {
    const flags = this.word(32);
    const allowed = MAP_F.READ | MAP_F.WRITE | (this.negotiated.mmio ? MAP_F.MMIO : 0);
    if ((flags & ~allowed) !== 0) return IOMMU_S.INVAL;
    const start = this.address(8);
    const end = this.address(16);
    const window = this.msiWindow;
    if (window && start <= window.end && end >= window.start) return IOMMU_S.INVAL;
    return this.domains.map(this.word(4), { start, end, physical: this.address(24), flags });
  }

  private probe(room: number): IommuStatus {
    if (!this.domains.knows(this.word(4))) return IOMMU_S.NOENT;
    if (room < PROBE_BYTES) return IOMMU_S.INVAL;
    if (!this.msiWindow) return IOMMU_S.OK;
    this.outputView.setUint16(0, PROBE_T_RESV_MEM, true);
    this.outputView.setUint16(2, RESV_MEM_BYTES, true);
    this.outputView.setUint8(4, RESV_MEM_T_MSI);
    this.outputView.setBigUint64(8, BigInt(this.msiWindow.start), true);
    this.outputView.setBigUint64(16, BigInt(this.msiWindow.end), true);
    return IOMMU_S.OK;
  }

  private word(at: number): number {
    return this.inputView.getUint32(at, true);
  }

  /** Above 2^53 this is inexact, and far outside the input range either way. */
  private address(at: number): number {
    return this.word(at + 4) * 2 ** 32 + this.word(at);
  }
}
