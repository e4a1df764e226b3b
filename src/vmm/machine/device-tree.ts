// The board's description for the guest (Linux Documentation/devicetree/bindings): what the machine itself has -
// CPUs, memory, interrupt controller, timer, firmware calls, boot arguments. Devices describe themselves in
// board.ts; this file knows none of them.

import { cells64, FdtNode } from './fdt.ts';
import {
  GIC_CPU_INTERFACE,
  GIC_DISTRIBUTOR,
  GIC_ITS,
  GIC_REDISTRIBUTORS,
  GIC_V2M,
  PPI_PMU,
  PPI_TIMER_HYPERVISOR,
  PPI_TIMER_PHYSICAL,
  PPI_TIMER_SECURE,
  PPI_TIMER_VIRTUAL,
  RAM_BASE,
  V2M_SPIS,
} from './memory-map.ts';

// Interrupt specifiers (arm,gic.yaml, arm,gic-v3.yaml).
const GIC_SPI = 0;
const GIC_PPI = 1;
export const IRQ_LEVEL_HIGH = 4;

export const spiCells = (spi: number, flags: number): [number, number, number] => [GIC_SPI, spi, flags];

export interface BoardTreeOptions {
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly gic: 2 | 3;
  /** Which instruction reaches PSCI; a realm's firmware listens to SMC. */
  readonly conduit: 'hvc' | 'smc';
  readonly pmu: boolean;
  /** RAM that devices may reach where they may reach nothing else; it lies within `memoryBytes`. */
  readonly dmaPool?: { readonly base: number; readonly size: number } | undefined;
}

/** Nodes that devices refer to. */
export interface BoardTree {
  readonly root: FdtNode;
  /** The fixed clock of all PrimeCells. */
  readonly apbClock: FdtNode;
  readonly gic: FdtNode;
  /** Where message-signalled interrupts go: the ITS, or the v2m frame. */
  readonly msi: FdtNode;
  /** bootargs and the like. */
  readonly chosen: FdtNode;
  /** Adds to a node of a device with DMA what all such devices have. */
  dma(device: FdtNode): void;
}

export function boardTree(options: BoardTreeOptions): BoardTree {
  const root = FdtNode.root()
    .strings('compatible', 'linux,dummy-virt')
    .strings('model', 'linux,dummy-virt')
    .cells('#address-cells', 2)
    .cells('#size-cells', 2);
  const chosen = root.child('chosen');
  addPsci(root, options.conduit);
  addCpus(root, options.vcpus);
  root
    .child(`memory@${RAM_BASE.toString(16)}`)
    .strings('device_type', 'memory')
    .reg([RAM_BASE, options.memoryBytes]);
  const gic = root.child(`intc@${GIC_DISTRIBUTOR.base.toString(16)}`);
  const msi = options.gic === 3 ? describeGicV3(gic, options.vcpus) : describeGicV2(gic);
  root.cells('interrupt-parent', gic.phandle);
  addTimer(root, options);
  const apbClock = root
    .child('apb-pclk')
    .strings('compatible', 'fixed-clock')
    .cells('#clock-cells', 0)
    .cells('clock-frequency', 24_000_000)
    .strings('clock-output-names', 'clk24mhz');
  const pool = options.dmaPool && addDmaPool(root, options.dmaPool);
  const dma = (device: FdtNode): void => {
    device.flag('dma-coherent');
    if (pool) device.cells('memory-region', pool.phandle);
  };
  return { root, apbClock, gic, msi, chosen, dma };
}

/** What the boot loader tells the kernel in /chosen. */
export interface ChosenOptions {
  readonly bootargs: string;
  readonly stdoutPath: string | undefined;
  readonly initrd: { readonly start: number; readonly end: number } | undefined;
  readonly rngSeed: Uint8Array;
  readonly kaslrSeed: Uint8Array;
}

export function describeChosen(chosen: FdtNode, options: ChosenOptions): void {
  if (options.bootargs !== '') chosen.strings('bootargs', options.bootargs);
  if (options.stdoutPath !== undefined) chosen.strings('stdout-path', options.stdoutPath);
  if (options.initrd) {
    chosen.cells('linux,initrd-start', ...cells64(options.initrd.start));
    chosen.cells('linux,initrd-end', ...cells64(options.initrd.end));
  }
  chosen.bytes('rng-seed', options.rngSeed).bytes('kaslr-seed', options.kaslrSeed);
}

/** reserved-memory/shared-dma-pool.yaml: all DMA of the devices that name it is bounced through this range. */
function addDmaPool(root: FdtNode, { base, size }: { base: number; size: number }): FdtNode {
  return root
    .child('reserved-memory')
    .cells('#address-cells', 2)
    .cells('#size-cells', 2)
    .flag('ranges')
    .child(`restricted-dma@${base.toString(16)}`)
    .strings('compatible', 'restricted-dma-pool')
    .reg([base, size]);
}

function addPsci(root: FdtNode, conduit: 'hvc' | 'smc'): void {
  root
    .child('psci')
    .strings('compatible', 'arm,psci-1.0', 'arm,psci-0.2', 'arm,psci')
    .strings('method', conduit)
    .cells('cpu_suspend', 0xc4000001)
    .cells('cpu_off', 0x84000002)
    .cells('cpu_on', 0xc4000003)
    .cells('migrate', 0xc4000005);
}

function addCpus(root: FdtNode, vcpus: number): void {
  const cpus = root.child('cpus').cells('#address-cells', 1).cells('#size-cells', 0);
  const cluster = cpus.child('cpu-map').child('socket0').child('cluster0');
  for (let i = 0; i < vcpus; i++) {
    const cpu = cpus
      .child(`cpu@${i.toString(16)}`)
      .strings('device_type', 'cpu')
      .strings('compatible', 'arm,armv8')
      .cells('reg', i)
      .strings('enable-method', 'psci');
    cluster.child(`core${i}`).cells('cpu', cpu.phandle);
  }
}

function describeController(gic: FdtNode, compatible: string): void {
  gic
    .strings('compatible', compatible)
    .cells('#interrupt-cells', 3)
    .flag('interrupt-controller')
    .cells('#address-cells', 2)
    .cells('#size-cells', 2)
    .flag('ranges');
}

function describeGicV3(gic: FdtNode, vcpus: number): FdtNode {
  describeController(gic, 'arm,gic-v3');
  gic.cells('#redistributor-regions', 1).reg(
    [GIC_DISTRIBUTOR.base, GIC_DISTRIBUTOR.size],
    // No larger than needed: under an MMIO guard the guest enrols each page of it.
    [GIC_REDISTRIBUTORS.base, GIC_REDISTRIBUTORS.stride * vcpus],
  );
  return gic
    .child(`its@${GIC_ITS.base.toString(16)}`)
    .strings('compatible', 'arm,gic-v3-its')
    .flag('msi-controller')
    .cells('#msi-cells', 1)
    .reg([GIC_ITS.base, GIC_ITS.size]);
}

function describeGicV2(gic: FdtNode): FdtNode {
  describeController(gic, 'arm,cortex-a15-gic');
  gic.reg([GIC_DISTRIBUTOR.base, GIC_DISTRIBUTOR.size], [GIC_CPU_INTERFACE.base, GIC_CPU_INTERFACE.size]);
  return gic
    .child(`v2m@${GIC_V2M.base.toString(16)}`)
    .strings('compatible', 'arm,gic-v2m-frame')
    .flag('msi-controller')
    .cells('arm,msi-base-spi', 32 + V2M_SPIS.first)
    .cells('arm,msi-num-spis', V2M_SPIS.count)
    .reg([GIC_V2M.base, GIC_V2M.size]);
}

function addTimer(root: FdtNode, options: BoardTreeOptions): void {
  // A GICv2 specifier names the CPUs that a private interrupt goes to; GICv3 has no such field.
  const flags = IRQ_LEVEL_HIGH | (options.gic === 2 ? ((1 << options.vcpus) - 1) << 8 : 0);
  const ppi = (number: number): number[] => [GIC_PPI, number, flags];
  root
    .child('timer')
    .strings('compatible', 'arm,armv8-timer', 'arm,armv7-timer')
    .flag('always-on')
    .cells(
      'interrupts',
      ...ppi(PPI_TIMER_SECURE),
      ...ppi(PPI_TIMER_PHYSICAL),
      ...ppi(PPI_TIMER_VIRTUAL),
      ...ppi(PPI_TIMER_HYPERVISOR),
    );
  if (options.pmu)
    root
      .child('pmu')
      .strings('compatible', 'arm,armv8-pmuv3')
      .cells('interrupts', ...ppi(PPI_PMU));
}
