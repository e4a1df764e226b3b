// Where things are on the board: QEMU's `virt` map, so that images made for it run unchanged. Numbers only.

export const GIC_DISTRIBUTOR = { base: 0x0800_0000, size: 0x1_0000 } as const;
export const GIC_CPU_INTERFACE = { base: 0x0801_0000, size: 0x1_0000 } as const;
export const GIC_V2M = { base: 0x0802_0000, size: 0x1000 } as const;
export const GIC_ITS = { base: 0x0808_0000, size: 0x2_0000 } as const;
/** Two frames of 64 KiB for each vCPU; the window has room for 123. */
export const GIC_REDISTRIBUTORS = { base: 0x080a_0000, stride: 0x2_0000 } as const;
export const UART = { base: 0x0900_0000, size: 0x1000, spi: 1 } as const;
export const RTC = { base: 0x0901_0000, size: 0x1000, spi: 2 } as const;
export const GPIO = { base: 0x0903_0000, size: 0x1000, spi: 7 } as const;
/** Slot n is at base + n * stride with SPI spi + n. */
export const VIRTIO_MMIO = { base: 0x0a00_0000, stride: 0x200, slots: 32, spi: 16 } as const;
export const PCI_MEMORY = { base: 0x1000_0000, size: 0x2eff_0000 } as const;
export const PCI_IO = { base: 0x3eff_0000, size: 0x1_0000 } as const;
/** INTA..INTD are SPI 3..6. */
export const PCI_INTX_SPI = 3;
export const PCI_ECAM = { base: 0x40_1000_0000, size: 0x1000_0000 } as const;
/** QEMU's has 512 GiB; Linux warns of a window whose size needs more than 32 bits, and no device here wants one. */
export const PCI_MEMORY_HIGH = { base: 0x80_0000_0000, size: 0x8000_0000 } as const;
export const RAM_BASE = 0x4000_0000;

/** GICv2m hands out these SPIs for MSIs. */
export const V2M_SPIS = { first: 48, count: 64 } as const;

// Private peripheral interrupts of the generic timer, as PPI numbers (INTID - 16).
export const PPI_TIMER_SECURE = 13;
export const PPI_TIMER_PHYSICAL = 14;
export const PPI_TIMER_VIRTUAL = 11;
export const PPI_TIMER_HYPERVISOR = 10;
export const PPI_PMU = 7;
