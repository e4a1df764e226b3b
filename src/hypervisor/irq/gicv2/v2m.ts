// A GICv2m frame: a write of an interrupt's number makes that shared interrupt pending, which is how PCI
// functions signal messages without an ITS (Arm Server Base System Architecture, appendix on GICv2m).

import type { Registers32 } from '../window.ts';

export const V2M_BYTES = 0x1000;
/** MSI_SETSPI_NS. */
export const V2M_SETSPI = 0x040;

const TYPER = 0x008;
const IIDR = 0xfcc;
/** Product 'R', architecture version 0, implementer Arm. */
const IIDR_VALUE = (0x52 << 20) | 0x43b;

export class V2m implements Registers32 {
  private readonly first: number;
  private readonly count: number;
  private readonly pulse: (intid: number) => boolean;

  /** Serves INTIDs first to first + count - 1; `pulse` gives such an interrupt one edge. */
  constructor(first: number, count: number, pulse: (intid: number) => boolean) {
    this.first = first;
    this.count = count;
    this.pulse = pulse;
  }

  signal(data: number): boolean {
    const intid = data & 0x3ff;
    return intid >= this.first && intid < this.first + this.count && this.pulse(intid);
  }

  read(_vcpu: number, offset: number): number {
    if (offset === TYPER) return (this.first << 16) | this.count;
    return offset === IIDR ? IIDR_VALUE : 0;
  }

  write(_vcpu: number, offset: number, value: number): void {
    if (offset === V2M_SETSPI) this.signal(value);
  }
}
