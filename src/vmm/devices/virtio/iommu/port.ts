// What a device behind the virtio IOMMU sees of memory: its own I/O virtual addresses, translated by its domain, and
// then decided about by the port below like every other access.

import type { MemoryPort, Refusal } from '../../../../hypervisor/index.ts';
import { type Domains, type IommuFault, isFault, MAP_F } from './domains.ts';

export type ReportFault = (endpoint: number, address: number, access: number, fault: IommuFault) => void;

interface Piece {
  readonly physical: number;
  readonly offset: number;
  readonly length: number;
}

export class EndpointPort implements MemoryPort {
  private readonly endpoint: number;
  private readonly domains: Domains;
  private readonly memory: MemoryPort;
  private readonly report: ReportFault;

  constructor(endpoint: number, domains: Domains, memory: MemoryPort, report: ReportFault) {
    this.endpoint = endpoint;
    this.domains = domains;
    this.memory = memory;
    this.report = report;
  }

  read(address: number, into: Uint8Array): Refusal | undefined {
    return this.transfer(address, into, MAP_F.READ);
  }

  write(address: number, from: Uint8Array): Refusal | undefined {
    return this.transfer(address, from, MAP_F.WRITE);
  }

  private transfer(address: number, bytes: Uint8Array, access: number): Refusal | undefined {
    const found = this.domains.translate(this.endpoint, address, access);
    if (found === 'bypass') return this.move(address, bytes, access);
    if (isFault(found)) return this.refuse(address, access, found);
    if (address + bytes.length - 1 > found.end) return this.scatter(address, bytes, access);
    const physical = found.physical + (address - found.start);
    const refusal = this.move(physical, bytes, access);
    return refusal && { ...refusal, address: address + (refusal.address - physical) };
  }

  /** A range over several mappings: all are translated, and asked below, before the first byte is written. */
  private scatter(address: number, bytes: Uint8Array, access: number): Refusal | undefined {
    const pieces: Piece[] = [];
    for (let offset = 0; offset < bytes.length; ) {
      const found = this.domains.translate(this.endpoint, address + offset, access);
      if (found === 'bypass') throw new Error('a domain began to bypass during an access');
      if (isFault(found)) return this.refuse(address + offset, access, found);
      const length = Math.min(bytes.length - offset, found.end + 1 - (address + offset));
      pieces.push({ physical: found.physical + (address + offset - found.start), offset, length });
      offset += length;
    }
    const steps = access === MAP_F.WRITE ? [new Uint8Array(bytes.length), bytes] : [bytes];
    for (const buffer of steps) {
      for (const { physical, offset, length } of pieces) {
        const part = buffer.subarray(offset, offset + length);
        const refusal = this.move(physical, part, buffer === bytes ? access : MAP_F.READ);
        if (refusal) return { ...refusal, address: address + offset + (refusal.address - physical) };
      }
    }
    return undefined;
  }

  private move(physical: number, bytes: Uint8Array, access: number): Refusal | undefined {
    return access === MAP_F.WRITE ? this.memory.write(physical, bytes) : this.memory.read(physical, bytes);
  }

  private refuse(address: number, access: number, fault: IommuFault): Refusal {
    this.report(this.endpoint, address, access, fault);
    return { rule: 'contained', reason: fault.explanation, address };
  }
}
