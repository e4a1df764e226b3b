// Feature bits and device status bits that every virtio device shares (virtio 1.3, 2.1, 2.2 and 6).
// Device-specific bits live beside their device.

/** Device status bits (virtio 1.3, 2.1). */
export const STATUS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** The mask of feature bit `n`. */
export const bit = (n: number): bigint => 1n << BigInt(n);

export const F_INDIRECT_DESC = bit(28);
export const F_EVENT_IDX = bit(29);
export const F_VERSION_1 = bit(32);
export const F_ACCESS_PLATFORM = bit(33);
export const F_RING_PACKED = bit(34);

/** Whether the driver is told, or made, to go through the platform's DMA rules (virtio 1.3, 6.1 and 6.2). */
export type AccessPlatform = 'off' | 'offered' | 'required';

/** What a transport offers beside the device's own bits. */
export function transportFeatures(accessPlatform: AccessPlatform, packed: boolean): bigint {
  let features = F_VERSION_1 | F_INDIRECT_DESC | F_EVENT_IDX;
  if (accessPlatform !== 'off') features |= F_ACCESS_PLATFORM;
  if (packed) features |= F_RING_PACKED;
  return features;
}

/**
 * Why a driver's choice cannot be honoured, or undefined when it can (virtio 1.3, 2.2.2, 6.2: a device may refuse
 * a driver that leaves out VERSION_1 or ACCESS_PLATFORM).
 */
export function refuseFeatures(
  offered: bigint,
  accepted: bigint,
  accessPlatform: AccessPlatform,
): string | undefined {
  const unknown = accepted & ~offered;
  if (unknown !== 0n) return `bits 0x${unknown.toString(16)} were never offered`;
  if ((accepted & F_VERSION_1) === 0n) return 'VERSION_1 was not accepted and there is no legacy interface';
  if (accessPlatform === 'required' && (accepted & F_ACCESS_PLATFORM) === 0n)
    return 'ACCESS_PLATFORM is required and was not accepted';
  return undefined;
}
