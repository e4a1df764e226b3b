// Virtio devices on the board: each option becomes a PCI function or a virtio-mmio slot. What a device does is its
// own affair; here it only gets its transport, its requester id and its place.

import {
  type DeviceEnv,
  type IommuOptions,
  type TransportOptions,
  type VirtioDevice,
  VirtioMmio,
  VirtioPci,
} from '../devices/index.ts';
import { type BoardRow, virtioEnv } from './board.ts';
import { IRQ_LEVEL_HIGH, spiCells } from './device-tree.ts';
import { UserError } from './errors.ts';
import { VIRTIO_MMIO } from './memory-map.ts';
import { MAX_PCI_FUNCTIONS, type PciFunction, pciRow } from './pci-row.ts';

/** One virtio device that a machine is to have. */
export interface VirtioSlot {
  /** Called once for each boot. */
  create(env: DeviceEnv): VirtioDevice;
  /** Default 'pci', which distribution kernels have built in. */
  readonly transport?: 'pci' | 'mmio';
  readonly options?: TransportOptions;
}

/** Requester ids of MMIO devices stand above those of PCI, which have 16 bits. */
const MMIO_REQUESTER = 0x1_0000;

/** The PCI host with its functions, and a row for each MMIO slot in use. Throws UserError where they do not fit. */
export function virtioRows(slots: readonly VirtioSlot[], iommu?: IommuOptions): readonly BoardRow[] {
  const onPci = slots.filter((slot) => slot.transport !== 'mmio');
  const onMmio = slots.filter((slot) => slot.transport === 'mmio');
  if (onPci.length > MAX_PCI_FUNCTIONS || onMmio.length > VIRTIO_MMIO.slots) {
    throw new UserError(
      `${slots.length} devices: the board has room for ${MAX_PCI_FUNCTIONS} on PCI and ${VIRTIO_MMIO.slots} on MMIO; leave some out`,
    );
  }
  return [...onMmio.map(mmioRow), pciRow({ functions: onPci.map(pciFunction), iommu })];
}

const pciFunction =
  (slot: VirtioSlot): PciFunction =>
  (wiring, requesterId) => {
    const transport = new VirtioPci(slot.create(virtioEnv(wiring, requesterId)), slot.options);
    wiring.keep(`pci-${requesterId >> 3}`, transport);
    return transport.endpoint;
  };

function mmioRow(slot: VirtioSlot, index: number): BoardRow {
  const base = VIRTIO_MMIO.base + index * VIRTIO_MMIO.stride;
  const spi = VIRTIO_MMIO.spi + index;
  return {
    name: `virtio-mmio${index}`,
    base,
    size: VIRTIO_MMIO.stride,
    spi,
    create(wiring) {
      const device = slot.create(virtioEnv(wiring, MMIO_REQUESTER + index));
      const transport = new VirtioMmio(device, wiring.irq(spi), slot.options);
      wiring.keep(`virtio-mmio${index}`, transport);
      return transport;
    },
    describe(tree) {
      const node = tree.root
        .child(`virtio_mmio@${base.toString(16)}`)
        .strings('compatible', 'virtio,mmio')
        .reg([base, VIRTIO_MMIO.stride])
        .cells('interrupts', ...spiCells(spi, IRQ_LEVEL_HIGH));
      tree.dma(node);
    },
  };
}
