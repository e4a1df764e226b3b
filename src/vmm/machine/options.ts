// What a user may ask of a machine, checked once, with defaults filled in.

import type { Log } from '../../lib/index.ts';
import type { BlockBackend, IommuOptions } from '../devices/index.ts';
import type { FileSource } from './boot/index.ts';
import { UserError } from './errors.ts';
import type { Protection, VmConfig } from './prepare-vm.ts';
import type { VirtioSlot } from './virtio-rows.ts';

/** A disk: a raw image in a file, or bytes behind an interface. */
export interface DriveOptions {
  readonly source: string | BlockBackend;
  readonly readOnly?: boolean;
  readonly transport?: 'pci' | 'mmio';
}

export interface MachineOptions {
  /** An arm64 Image (also gzip'd) or an ELF file: a path, or its bytes. */
  readonly kernel: FileSource;
  readonly initrd?: FileSource;
  /** The kernel's command line. */
  readonly append?: string;
  /** Bytes, or text such as '512M' and '1G' (default). */
  readonly memory?: string | number;
  /** How many vCPUs, 1 (default) to 8. */
  readonly smp?: number;
  readonly gic?: 2 | 3;
  /** CPU features to switch on or off by name, such as { pauth: false }. All are on by default. */
  readonly cpu?: Readonly<Record<string, boolean>>;
  readonly protect?: Protection;
  /** Size of the pool through which a pKVM guest or a realm bounces all DMA. Default: an eighth of RAM, at most 64 MiB. */
  readonly bouncePool?: string | number | undefined;
  /** virtio-blk disks, in the order in which the guest names them. */
  readonly drives?: readonly DriveOptions[];
  /** Other virtio devices. */
  readonly virtio?: readonly VirtioSlot[];
  /** How guest instructions are executed; all give the same results. Default 'auto'. */
  readonly engine?: VmConfig['engine'];
  /** Puts all PCI devices behind a virtio-iommu. */
  readonly iommu?: IommuOptions | undefined;
  /** 'virtual' (default): guest time follows instructions. 'host': it follows real time. */
  readonly clock?: 'virtual' | 'host';
  /** The date at power-on in seconds since 1970; default today, or a fixed day with the virtual clock. */
  readonly epochSeconds?: number;
  /** run() waits for resume() before the first instruction. */
  readonly paused?: boolean;
  /** 'exit' ends the run where the guest resets itself. Default 'restart'. */
  readonly onReset?: 'restart' | 'exit';
  /** Remember each frame's transitions for explain(). Costs memory; default false. */
  readonly history?: boolean;
  /** Count what each piece of compiled code runs, for Machine.profile(). Costs some speed; default false. */
  readonly profile?: boolean;
  /** Ringfence's own messages. */
  readonly log?: Log;
}

const MIB = 1 << 20;
const SMALLEST_MEMORY = 16 * MIB;
/** The host's frames, tags and tables share one linear memory of 4 GiB. */
const LARGEST_MEMORY = 3584 * MIB;
const MAX_VCPUS = 8;
const UNITS: Record<string, number> = { '': MIB, K: 1024, M: MIB, G: 1024 * MIB };

/** Bytes from '1G', '512M', '65536K' or a plain number of MiB. Throws UserError. */
export function parseMemorySize(memory: string | number): number {
  const bytes = typeof memory === 'number' ? memory : bytesOf(memory);
  if (
    !Number.isInteger(bytes) ||
    bytes % (2 * MIB) !== 0 ||
    bytes < SMALLEST_MEMORY ||
    bytes > LARGEST_MEMORY
  ) {
    throw new UserError(
      `memory ${memory}: not a multiple of 2M between 16M and 3584M; write for example 512M or 1G`,
    );
  }
  return bytes;
}

function bytesOf(text: string): number {
  const match = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text.trim());
  return match ? Number(match[1]) * UNITS[match[2].toUpperCase()] : Number.NaN;
}

/** Bytes of the bounce pool, undefined for the default. Throws UserError. */
export function parseBouncePool(
  pool: string | number | undefined,
  protect: Protection,
  memoryBytes: number,
): number | undefined {
  if (pool === undefined) return undefined;
  if (protect !== 'pkvm' && protect !== 'realm')
    throw new UserError('bounce-pool: only a guest with protect pkvm or realm is told of one');
  const bytes = typeof pool === 'number' ? pool : bytesOf(pool);
  if (Number.isInteger(bytes) && bytes % (2 * MIB) === 0 && bytes > 0 && bytes <= memoryBytes / 2)
    return bytes;
  throw new UserError(
    `bounce-pool ${pool}: not a multiple of 2M up to half of the memory; write for example 16M`,
  );
}

/** Throws UserError. */
export function checkVcpuCount(smp: number): number {
  if (!Number.isInteger(smp) || smp < 1 || smp > MAX_VCPUS) {
    throw new UserError(`smp ${smp}: not a number of CPUs from 1 to ${MAX_VCPUS}`);
  }
  return smp;
}

const FEATURES = [
  'mte',
  'pauth',
  'bti',
  'rng',
  'pmu',
] as const satisfies readonly (keyof VmConfig['features'])[];

/** Throws UserError. */
export function checkFeatures(cpu: Readonly<Record<string, boolean>>): VmConfig['features'] {
  const unknown = Object.keys(cpu).find((name) => !FEATURES.some((feature) => feature === name));
  if (unknown !== undefined) {
    throw new UserError(`cpu ${unknown}: there is no such feature; known are ${FEATURES.join(', ')}`);
  }
  return { ...cpu };
}
