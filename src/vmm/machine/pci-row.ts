// The PCI Express host bridge as a row of the board (Linux Documentation/devicetree/bindings/pci/
// host-generic-pci.yaml): bus 0 with whatever functions the options plug in, slot by slot.

import { type IommuOptions, type PciEndpoint, PciHost, VirtioIommu, VirtioPci } from '../devices/index.ts';
import { type BoardRow, virtioEnv, type Wiring } from './board.ts';
import { type BoardTree, IRQ_LEVEL_HIGH, spiCells } from './device-tree.ts';
import { cells64, type FdtNode } from './fdt.ts';
import { PCI_ECAM, PCI_INTX_SPI, PCI_IO, PCI_MEMORY, PCI_MEMORY_HIGH } from './memory-map.ts';

/** Makes the function for the slot whose requester id it gets. */
export type PciFunction = (wiring: Wiring, requesterId: number) => PciEndpoint;

/** A bus has 32 slots, of which the bridge and the IOMMU may take one each. */
export const MAX_PCI_FUNCTIONS = 30;

const PINS = 4;
/** ECAM bytes of one bus. All functions are on bus 0, and an MMIO guard makes the guest enrol every page. */
const BUS_BYTES = 1 << 20;

// Address space codes of `ranges` (IEEE 1275 PCI binding, 2.2.1.1).
const SPACE_IO = 0x0100_0000;
const SPACE_MEMORY32 = 0x0200_0000;
const SPACE_MEMORY64 = 0x0300_0000;

/** Where the IOMMU sits, if there is one: before the functions that are behind it. */
const IOMMU_SLOT = 1;
const IOMMU_REQUESTER = IOMMU_SLOT << 3;
/** Requester ids have 16 bits. */
const REQUESTERS = 0x1_0000;

export interface PciRowOptions {
  readonly functions: readonly PciFunction[];
  /** Puts all functions behind a virtio-iommu. */
  readonly iommu?: IommuOptions | undefined;
}

export function pciRow({ functions, iommu }: PciRowOptions): BoardRow {
  return {
    name: 'pcie',
    base: PCI_ECAM.base,
    size: PCI_ECAM.size,
    spi: PCI_INTX_SPI,
    create(wiring) {
      const wire = (pin: number) => wiring.irq(PCI_INTX_SPI + pin);
      const translator = iommu && new VirtioIommu(iommu, virtioEnv(wiring, IOMMU_REQUESTER));
      const host = new PciHost({
        ecamSize: PCI_ECAM.size,
        mmio32: PCI_MEMORY,
        mmio64: PCI_MEMORY_HIGH,
        io: { base: 0, size: PCI_IO.size },
        intx: [wire(0), wire(1), wire(2), wire(3)],
        msi: translator?.msi(wiring.msi) ?? wiring.msi,
        log: wiring.log,
      });
      wiring.attach(PCI_MEMORY.base, host.mmio32);
      wiring.attach(PCI_MEMORY_HIGH.base, host.mmio64);
      wiring.attach(PCI_IO.base, host.pio);
      // The bridge comes first: what a function resumes may interrupt.
      wiring.keep('pci-host', host);
      if (translator) {
        const transport = new VirtioPci(translator);
        wiring.keep(`pci-${IOMMU_SLOT}`, transport);
        host.add(transport.endpoint, IOMMU_SLOT);
      }
      const behind = translator ? translated(wiring, translator) : wiring;
      functions.forEach((create, i) => {
        const slot = i + IOMMU_SLOT + (translator ? 1 : 0);
        host.add(create(behind, slot << 3), slot);
      });
      return host.ecam;
    },
    describe: (tree) => describe(tree, iommu !== undefined),
  };
}

/** What a function behind the IOMMU gets instead of its own way to memory. */
const translated = (wiring: Wiring, iommu: VirtioIommu): Wiring => ({
  ...wiring,
  dma: (requesterId) => iommu.port(requesterId, wiring.dma(requesterId)),
});

function describe(tree: BoardTree, iommu: boolean): void {
  const bridge = tree.root
    .child(`pcie@${PCI_MEMORY.base.toString(16)}`)
    .strings('compatible', 'pci-host-ecam-generic')
    .strings('device_type', 'pci')
    .cells('#address-cells', 3)
    .cells('#size-cells', 2)
    .cells('#interrupt-cells', 1)
    .cells('linux,pci-domain', 0)
    .cells('bus-range', 0, 0)
    .reg([PCI_ECAM.base, BUS_BYTES])
    .cells(
      'ranges',
      ...[SPACE_IO, 0, 0, ...cells64(PCI_IO.base), ...cells64(PCI_IO.size)],
      ...busWindow(SPACE_MEMORY32, PCI_MEMORY),
      ...busWindow(SPACE_MEMORY64, PCI_MEMORY_HIGH),
    )
    .cells('msi-map', 0, tree.msi.phandle, 0, 0x10000)
    .cells('interrupt-map-mask', (PINS - 1) << 11, 0, 0, 7)
    .cells('interrupt-map', ...interruptMap(tree.gic.phandle));
  tree.dma(bridge);
  if (iommu) describeIommu(bridge);
}

/**
 * virtio/iommu.yaml and pci/pci-iommu.yaml. The map leaves out the IOMMU itself and the host bridge, which is no
 * endpoint: Linux gives up on the whole IOMMU where probing one mapped endpoint fails.
 */
function describeIommu(bridge: FdtNode): void {
  const node = bridge
    .child(`iommu@${IOMMU_SLOT},0`)
    .strings('compatible', 'virtio,pci-iommu', 'pci1af4,1057')
    .cells('reg', IOMMU_REQUESTER << 8, 0, 0, 0, 0)
    .cells('#iommu-cells', 1);
  const first = (IOMMU_SLOT + 1) << 3;
  bridge.cells('iommu-map', first, node.phandle, first, REQUESTERS - first);
}

/** Bus addresses equal guest-physical ones. */
const busWindow = (space: number, { base, size }: { base: number; size: number }): number[] => [
  space,
  ...cells64(base),
  ...cells64(base),
  ...cells64(size),
];

/** Pin p of slot n is wire (n + p) mod 4 (PCI-to-PCI Bridge 1.2, 9.1); the map repeats after four slots. */
function interruptMap(gic: number): number[] {
  const map: number[] = [];
  for (let slot = 0; slot < PINS; slot++) {
    for (let pin = 0; pin < PINS; pin++) {
      const spi = PCI_INTX_SPI + ((slot + pin) % PINS);
      map.push(slot << 11, 0, 0, pin + 1, gic, 0, 0, ...spiCells(spi, IRQ_LEVEL_HIGH));
    }
  }
  return map;
}
