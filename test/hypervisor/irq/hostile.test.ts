// What a guest may do to an interrupt controller is any access to any register. Nothing of it may throw, hang or
// leave a state that cannot be saved and restored.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GicV2, GicV3, type InterruptController } from '../../../src/hypervisor/irq/index.ts';
import { key, RAM_BASE, TestMemory } from './support.ts';

const lines = () => {};
const memory = new TestMemory(1 << 20);
const controllers: [string, () => InterruptController][] = [
  ['GICv3 with an ITS', () => new GicV3({ vcpus: 3, spis: 64, lines, memory }) as InterruptController],
  ['GICv3 without', () => new GicV3({ vcpus: 3, spis: 64, lines }) as InterruptController],
  ['GICv2', () => new GicV2({ vcpus: 3, spis: 128, lines }) as InterruptController],
];

const value = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.nat(255).map((n) => (1n << 63n) | BigInt(RAM_BASE + n * 4096) | (2n << 8n)),
  fc.nat(0x2000).map(BigInt),
  fc.constant(1n),
  fc.constant((1n << 64n) - 1n),
);
const access = fc.record({
  window: fc.nat(2),
  vcpu: fc.nat(2),
  // Most registers lie low in their frames of 4 or 64 KiB.
  offset: fc
    .tuple(fc.nat(7), fc.oneof(fc.nat(0x200), fc.nat(0xfff), fc.nat(0xffff)))
    .map(([n, at]) => n * 0x10000 + at),
  align: fc.boolean(),
  size: fc.constantFrom(1, 2, 4, 4, 4, 8, 8),
  write: fc.boolean(),
  value,
  icc: fc.tuple(fc.constantFrom(8, 9, 11, 12), fc.nat(7)).map(([crm, op2]) => key(3, 0, 12, crm, op2)),
  wire: fc.nat(160),
});

describe('a hostile guest', () => {
  it.each(controllers)('%s survives any access', (_, create) => {
    fc.assert(
      fc.property(fc.array(access, { maxLength: 150, size: 'max' }), (all) => {
        const controller = create();
        for (const a of all) {
          const window = controller.windows[a.window % controller.windows.length];
          const offset = a.align ? a.offset & ~7 : a.offset;
          if (a.write) window.write(a.vcpu, offset, a.size, a.value);
          else expect(window.read(a.vcpu, offset, a.size)).toBeLessThan(1n << BigInt(8 * a.size));
          const icc = controller.systemRegisters(a.vcpu);
          if (a.write) icc?.write(a.icc, a.value);
          else icc?.read(a.icc);
          if (a.wire >= 16 && a.wire < 32) controller.setPpi(a.vcpu, a.wire, a.write);
          if (a.wire >= 32 && a.wire < 96) controller.setSpi(a.wire, a.write);
          controller.send(a.wire, 0x08090040, Number(a.value & 0xffffffffn));
        }
        const saved = controller.save();
        const restored = create();
        restored.restore(saved);
        expect(restored.save()).toEqual(saved);
      }),
      { numRuns: 60, seed: 22 },
    );
  });
});
