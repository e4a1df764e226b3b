// The public face of the virtio devices and their transports. Backends that need Node are in node.ts.

export { type BalloonOptions, VirtioBalloon } from './balloon/device.ts';
export type { BalloonBackend } from './balloon/requests.ts';
export { type BlockBackend, memoryBlock } from './blk/backend.ts';
export { type BlkOptions, VirtioBlk } from './blk/device.ts';
export { type ConsoleOptions, VirtioConsole } from './console/device.ts';
export type { DeviceEnv, SavedState, VirtioDevice } from './device.ts';
export type { AccessPlatform } from './features.ts';
export { type IommuOptions, VirtioIommu } from './iommu/device.ts';
export type { MsiWindow } from './iommu/requests.ts';
export { cable, type NetBackend, type NetReceiver } from './net/backend.ts';
export { type NetOptions, VirtioNet } from './net/device.ts';
export type { FileTree } from './p9/backend.ts';
export { type P9Options, Virtio9p } from './p9/device.ts';
export { type RngOptions, VirtioRng } from './rng/device.ts';
export type { TransportOptions } from './transport/core.ts';
export { type SavedMmio, VirtioMmio } from './transport/mmio.ts';
export { type SavedVirtioPci, VirtioPci } from './transport/pci.ts';
export type { VsockBackend, VsockListener, VsockStream } from './vsock/backend.ts';
export { VirtioVsock, type VsockOptions } from './vsock/device.ts';
