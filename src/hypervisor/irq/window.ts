// Turns accesses of any size into the 32-bit registers that every GIC frame consists of. 64-bit registers are
// two halves, low half first: none of them acts before its low half is written or needs both at once.

import type { RegisterWindow } from './controller.ts';

/** Registers at offsets that are multiples of 4, values unsigned 32-bit; bytes only where the frame has them. */
export interface Registers32 {
  read(vcpu: number, offset: number): number;
  write(vcpu: number, offset: number, value: number): void;
  readByte?(vcpu: number, offset: number): number;
  writeByte?(vcpu: number, offset: number, value: number): void;
}

export function registerWindow(
  name: string,
  base: number,
  size: number,
  registers: Registers32,
): RegisterWindow {
  return {
    name,
    base,
    size,
    read(vcpu, offset, bytes) {
      if (offset % bytes !== 0 || offset < 0 || offset + bytes > size) return 0n;
      if (bytes === 4) return BigInt(registers.read(vcpu, offset) >>> 0);
      if (bytes === 1) return BigInt(registers.readByte?.(vcpu, offset) ?? 0);
      if (bytes !== 8) return 0n;
      const low = registers.read(vcpu, offset) >>> 0;
      return (BigInt(registers.read(vcpu, offset + 4) >>> 0) << 32n) | BigInt(low);
    },
    write(vcpu, offset, bytes, value) {
      if (offset % bytes !== 0 || offset < 0 || offset + bytes > size) return;
      if (bytes === 4) registers.write(vcpu, offset, Number(BigInt.asUintN(32, value)));
      else if (bytes === 1) registers.writeByte?.(vcpu, offset, Number(BigInt.asUintN(8, value)));
      else if (bytes === 8) {
        registers.write(vcpu, offset, Number(BigInt.asUintN(32, value)));
        registers.write(vcpu, offset + 4, Number(BigInt.asUintN(32, value >> 32n)));
      }
    },
  };
}
