// One boot: a fresh VM with the board around it, boot files in memory and the first vCPU at the kernel's entry
// (Linux Documentation/arch/arm64/booting.rst). A reset throws all of it away and makes another.

import type { Disposable, Log } from '../../lib/index.ts';
import type { SerialLine } from '../devices/index.ts';
import { Board, type BoardBackends, type BoardRow, CONSOLE_PATH } from './board.ts';
import { type KernelImage, type LoadedFile, placeBootFiles } from './boot/index.ts';
import type { MachineClock } from './clock.ts';
import { boardTree, describeChosen } from './device-tree.ts';
import { DmaWatch } from './dma-watch.ts';
import { flattenTree } from './fdt.ts';
import { RAM_BASE } from './memory-map.ts';
import type { MachineVcpu, MachineVm, PreparedVm, PrepareVm, Protection, VmConfig } from './prepare-vm.ts';
import type { FillRandom } from './random.ts';

/** As large as Linux makes its bounce buffers by itself, but no more than this part of RAM. */
const DMA_POOL_BYTES = 64 << 20;
const DMA_POOL_SHARE = 8;
const BLOCK = 2 << 20;
/** In what Linux's swiotlb= counts. */
const SWIOTLB_SLOT = 2048;
const SWIOTLB_DEFAULT = 32768;
const SWIOTLB_SEGMENT = 128;

/** What stays the same from boot to boot. */
export interface BootPlan {
  readonly kernel: KernelImage;
  readonly initrd: LoadedFile | undefined;
  readonly bootargs: string;
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly gic: 2 | 3;
  readonly protect: Protection;
  /** Bytes of the pool through which a pKVM guest or a realm bounces all DMA; default: a part of its RAM. */
  readonly bouncePoolBytes?: number | undefined;
  readonly features: VmConfig['features'];
  readonly engine: VmConfig['engine'];
  readonly rows: readonly BoardRow[];
  readonly history: boolean;
  readonly profile: boolean;
}

/** What the machine lends to every boot. */
export interface Backends {
  readonly prepare: PrepareVm;
  readonly clock: MachineClock;
  readonly serial: SerialLine;
  readonly random: FillRandom;
  readonly log: Log;
  /** A device wants the guest's attention. */
  wake(): void;
}

export class Boot implements Disposable {
  readonly vcpus: readonly MachineVcpu[];
  readonly board: Board;
  /** What the engine and the CPUs count. */
  readonly counters: PreparedVm['counters'];
  readonly protection: PreparedVm['protection'];
  readonly explain: PreparedVm['explain'];
  readonly debugger: PreparedVm['debugger'];
  readonly mmioGuard: PreparedVm['mmioGuard'];
  readonly profile: PreparedVm['profile'];
  /** Of a guest that does not let devices reach all of its memory. */
  readonly dmaWatch: DmaWatch | undefined;
  /** Bytes of the bounce pool that the device tree names. */
  readonly bouncePoolBytes: number | undefined;
  private readonly vm: MachineVm;

  constructor(plan: BootPlan, backends: Backends) {
    const { clock, random, log } = backends;
    const prepared = backends.prepare({ ...plan, clock, random, log });
    this.vm = prepared.vm;
    this.vcpus = prepared.vcpus;
    this.counters = prepared.counters;
    this.protection = prepared.protection;
    this.explain = prepared.explain;
    this.debugger = prepared.debugger;
    this.mmioGuard = prepared.mmioGuard;
    this.profile = prepared.profile;
    const pool = dmaPoolOf(plan);
    this.bouncePoolBytes = pool?.size;
    if (plan.protect !== 'none')
      this.dmaWatch = new DmaWatch(pool ?? { base: RAM_BASE, size: plan.memoryBytes }, clock);
    this.board = new Board(plan.rows, wire(prepared.vm, backends, this.dmaWatch));
    const tree = loadBootFiles(plan, backends, this.board, prepared);
    const first = prepared.vcpus[0];
    first.setRegister('x0', BigInt(tree));
    for (const name of ['x1', 'x2', 'x3']) first.setRegister(name, 0n);
    first.setRegister('pc', BigInt(plan.kernel.entry));
  }

  nextDeadline(): number {
    return this.vm.nextDeadline();
  }

  dispose(): void {
    this.board.dispose();
    this.vm.dispose();
  }
}

/** Devices reach the VM through these and nothing else; whatever interrupts also ends the machine's sleep. */
function wire(vm: MachineVm, backends: Backends, watch: DmaWatch | undefined): BoardBackends {
  return {
    clock: backends.clock,
    log: backends.log,
    serial: backends.serial,
    random: backends.random,
    wake: () => backends.wake(),
    dma: (requesterId: number) => {
      const port = vm.devicePort(requesterId);
      return watch ? watch.port(port) : port;
    },
    irq: (spi: number) => {
      const line = vm.irqLine(spi);
      return {
        set(level: boolean) {
          line.set(level);
          if (level) backends.wake();
        },
      };
    },
    msi: {
      send(requesterId: number, address: number, data: number) {
        vm.signalMsi(requesterId, address, data);
        backends.wake();
      },
    },
  };
}

function poolSize({ memoryBytes, bouncePoolBytes }: BootPlan): number {
  const share = Math.floor(memoryBytes / DMA_POOL_SHARE / BLOCK) * BLOCK;
  return bouncePoolBytes ?? Math.max(BLOCK, Math.min(DMA_POOL_BYTES, share));
}

/** A pKVM guest bounces all DMA through a pool that it shares with the host; only the device tree can tell it so. */
function dmaPoolOf(plan: BootPlan): { base: number; size: number } | undefined {
  if (plan.protect !== 'pkvm' && plan.protect !== 'deferred') return undefined;
  const size = poolSize(plan);
  return { base: RAM_BASE + plan.memoryBytes - size, size };
}

/**
 * A realm bounces by itself, but distribution kernels shrink their buffers to a MiB per GiB of RAM before they know
 * that they will bounce everything: less than the receive queue of one network card.
 */
function bootargsOf(plan: BootPlan): string {
  const { bootargs, protect } = plan;
  if (protect !== 'realm' || /(^| )swiotlb=/.test(bootargs)) return bootargs;
  const slots = poolSize(plan) / SWIOTLB_SLOT;
  // Its own default is shrunk even where it was asked for.
  return `${bootargs} swiotlb=${slots === SWIOTLB_DEFAULT ? slots - SWIOTLB_SEGMENT : slots}`.trimStart();
}

/** Returns the address of the device tree. */
function loadBootFiles(plan: BootPlan, backends: Backends, board: Board, prepared: PreparedVm): number {
  const { kernel, initrd } = plan;
  const dmaPool = dmaPoolOf(plan);
  const free = { base: RAM_BASE, size: plan.memoryBytes - (dmaPool?.size ?? 0) };
  const placement = placeBootFiles(free, kernel, initrd && { name: initrd.name, bytes: initrd.bytes.length });
  const tree = boardTree({
    ...plan,
    conduit: plan.protect === 'realm' ? 'smc' : 'hvc',
    pmu: plan.features.pmu ?? true,
    dmaPool,
  });
  const seed = (bytes: number): Uint8Array => {
    const into = new Uint8Array(bytes);
    backends.random(into);
    return into;
  };
  describeChosen(tree.chosen, {
    bootargs: bootargsOf(plan),
    stdoutPath: CONSOLE_PATH,
    initrd: placement.initrd,
    rngSeed: seed(32),
    kaslrSeed: seed(8),
  });
  board.describe(tree);
  const blob = flattenTree(tree.root);
  if (blob.length > placement.treeRoom)
    throw new Error(`board: a device tree of ${blob.length} bytes has no room`);
  for (const segment of kernel.segments) prepared.load(segment.address, segment.bytes);
  if (initrd && placement.initrd) prepared.load(placement.initrd.start, initrd.bytes);
  prepared.load(placement.tree, blob);
  prepared.seal?.();
  return placement.tree;
}
