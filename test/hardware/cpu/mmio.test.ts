import { describe, expect, it } from 'vitest';
import {
  MEM_ATOMIC,
  MEM_NO_SYNDROME,
  MEM_SF,
  MEM_SRT_SHIFT,
  MEM_SSE,
} from '../../../src/hardware/cpu/index.ts';
import { AF, ATTR, MMIO, mapped } from './machine.ts';

const setup = () => {
  const { machine, tables } = mapped();
  tables.map(0x1000n, MMIO, AF | ATTR(1));
  machine.at(0x4000n);
  return machine;
};

describe('MMIO', () => {
  it('exits with address, size and syndrome, and the answered load completes', () => {
    const m = setup();
    const before = m.cpu.instructions;
    const flags = (7 << MEM_SRT_SHIFT) | MEM_SSE | MEM_SF;
    expect(m.load(0x1018n, 1, flags)).toBeUndefined();
    expect(m.exit).toEqual({
      kind: 'mmio',
      ipa: MMIO + 0x18,
      size: 2,
      write: false,
      data: 0n,
      syndrome: { valid: true, register: 7, signExtend: true, sixtyFour: true, acquireRelease: false },
      user: false,
      address: 0x1018n,
    });
    expect(m.cpu.state.pc).toBe(0x4000n);
    expect(m.cpu.instructions).toBe(before);
    m.cpu.completeMmio(0xffff_8001n);
    // Nothing comes in between, not even an interrupt.
    m.cpu.state.daif = 0;
    m.cpu.setInterruptLines(true, false);
    expect(m.cpu.prepare()).toBe(1);
    expect(m.cpu.state.pc).toBe(0x4000n);
    m.cpu.begin(1);
    expect(m.load(0x1018n, 1, flags)).toBe(0x8001n);
    expect(m.cpu.instructions).toBe(before + 1);
    m.cpu.prepare();
    expect(m.cpu.state.pc).not.toBe(0x4000n);
  });

  it('does a store once', () => {
    const m = setup();
    expect(m.store(0x1000n, 2, 0x1_2345_6789n)).toBe(false);
    expect(m.exit).toMatchObject({ kind: 'mmio', write: true, size: 4, data: 0x2345_6789n });
    m.cpu.completeMmio(0n);
    expect(m.store(0x1000n, 2, 0x1_2345_6789n)).toBe(true);
    m.at(0x4004n);
    expect(m.store(0x1000n, 2, 1n)).toBe(false);
    expect(m.exit).toMatchObject({ kind: 'mmio', write: true });
  });

  it('asks again when the same instruction runs another time', () => {
    const m = setup();
    for (const value of [1n, 2n]) {
      expect(m.load(0x1000n, 2)).toBeUndefined();
      expect(m.exit).toMatchObject({ kind: 'mmio' });
      m.cpu.completeMmio(value);
      expect(m.load(0x1000n, 2)).toBe(value);
    }
  });

  it('lets an instruction of two accesses make progress', () => {
    const m = setup();
    const pair = (): (bigint | undefined)[] => {
      const first = m.load(0x1000n, 3, MEM_NO_SYNDROME);
      if (first === undefined) return [undefined];
      m.cpu.state.budget++;
      return [first, m.load(0x1008n, 3, MEM_NO_SYNDROME)];
    };
    expect(pair()).toEqual([undefined]);
    expect(m.exit).toMatchObject({ ipa: MMIO, syndrome: { valid: false } });
    m.cpu.completeMmio(11n);
    expect(pair()).toEqual([11n, undefined]);
    expect(m.exit).toMatchObject({ ipa: MMIO + 8 });
    m.cpu.completeMmio(22n);
    expect(pair()).toEqual([11n, 22n]);
  });

  it('can be answered with an abort', () => {
    const m = setup();
    m.load(0x1000n, 3);
    expect(m.exit).toMatchObject({ kind: 'mmio' });
    m.cpu.injectDataAbort(0x10, 0x1000n);
    expect(m.syndrome).toMatchObject({ esr: 0x9600_0010, elr: 0x4000n, far: 0x1000n });
    expect(() => m.cpu.completeMmio(0n)).toThrow('EINVAL');
  });

  it('faults atomics and exclusives, which a device cannot do', () => {
    const m = setup();
    m.cpu.state.slowVa = 0x1000n;
    expect(m.cpu.probeWrite(3 | MEM_ATOMIC)).toBe(0);
    expect(m.syndrome).toMatchObject({ esr: 0x9600_0075, far: 0x1000n });
  });

  it('is part of a snapshot once answered, and refuses one before', () => {
    const m = setup();
    m.load(0x1000n, 3);
    expect(m.exit).toBeDefined();
    expect(() => m.cpu.save()).toThrow('EBUSY');
    m.cpu.completeMmio(77n);
    const snapshot = m.cpu.save();
    m.cpu.restore(snapshot);
    m.cpu.begin(10);
    m.at(0x4000n);
    expect(m.cpu.prepare()).toBe(1);
    m.cpu.begin(1);
    expect(m.load(0x1000n, 3)).toBe(77n);
  });
});
