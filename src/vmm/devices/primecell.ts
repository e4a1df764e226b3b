// The identification registers at the end of every Arm PrimeCell's page (PL011 TRM r1p5, 3.3.15 on). Drivers
// bind by these four part bytes, so that each device names its own and shares the rest.

const PERIPHERAL_ID = 0xfe0;
const CELL_ID = [0x0d, 0xf0, 0x05, 0xb1] as const;

/** The part bytes, PeriphID0 first. */
export type PeripheralId = readonly [number, number, number, number];

/** The identification register at `offset`, or undefined below 0xfe0. */
export function primecellId(id: PeripheralId, offset: number): number | undefined {
  if (offset < PERIPHERAL_ID) return undefined;
  const index = (offset - PERIPHERAL_ID) >> 2;
  return index < 4 ? id[index] : CELL_ID[index - 4];
}
