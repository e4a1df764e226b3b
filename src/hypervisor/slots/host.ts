// The host: its memory, the ledger of it, its swap file, and the processes and files on it. VMs are made on a host
// (stage2/vm-memory.ts) and two of them share nothing but this.

import { PhysicalMemory } from '../../hardware/index.ts';
import { Ledger } from '../ledger/index.ts';
import { AddressSpace } from './address-space.ts';
import { SharedFile } from './shared-file.ts';
import { SwapFile } from './swap.ts';

export interface HostOptions {
  /** kvm-arm.mode=protected: the kernel is not trusted, and some of the API answers differently for every VM. */
  readonly pkvm?: boolean;
  /** Pages of swap. Default 1024. */
  readonly swapPages?: number;
}

export class Host {
  readonly memory: PhysicalMemory;
  readonly ledger: Ledger;
  readonly swap: SwapFile;
  readonly isPkvm: boolean;

  constructor(memory: PhysicalMemory, options: HostOptions = {}) {
    this.memory = memory;
    this.ledger = new Ledger(memory);
    this.swap = new SwapFile(options.swapPages ?? 1024);
    this.isPkvm = options.pkvm ?? false;
  }

  /**
   * A host of that many frames, with memory of its own; `systemBytes` of it are for vCPUs (default: none to speak
   * of). Throws RangeError where they do not fit.
   */
  static create(frames: number, options: HostOptions & { readonly systemBytes?: number } = {}): Host {
    return new Host(new PhysicalMemory({ frames, systemBytes: options.systemBytes ?? 1 << 16 }), options);
  }

  /** A new process, with nothing mapped. */
  createAddressSpace(): AddressSpace {
    return new AddressSpace(this.ledger, this.swap);
  }

  /** A file of shared memory, or one on a disk, to be mapped by processes. */
  createSharedFile(bytes: number, medium: 'memory' | 'disk' = 'memory'): SharedFile {
    return new SharedFile(this.ledger, bytes, medium);
  }

  /** Frames that nobody holds. */
  get freeFrames(): number {
    return this.ledger.frames.free;
  }
}
