import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/lib/index.ts';
import {
  type MmioDevice,
  Pl011,
  Pl031,
  Pl061,
  PowerKey,
  type Stateful,
} from '../../../src/vmm/devices/index.ts';
import { TestClock, TestLine, TestSerial } from './wires.ts';

interface Bench {
  readonly device: MmioDevice & Stateful;
  readonly irq: TestLine;
  readonly clock: TestClock;
  /** Something from outside happens. */
  poke(value: number): void;
}

const benches: Record<string, () => Bench> = {
  pl011() {
    const [irq, clock, serial] = [new TestLine(), new TestClock(), new TestSerial()];
    const device = new Pl011({ line: serial, irq, log: silentLog });
    const poke = (value: number): void => {
      serial.type('x'.repeat(value % 20));
      device.poll();
    };
    return { device, irq, clock, poke };
  },
  pl031() {
    const [irq, clock] = [new TestLine(), new TestClock()];
    const device = new Pl031({ clock, irq, log: silentLog });
    return { device, irq, clock, poke: (value) => clock.advance(value * 1e6) };
  },
  pl061() {
    const [irq, clock] = [new TestLine(), new TestClock()];
    const device = new Pl061({ irq, log: silentLog });
    return { device, irq, clock, poke: (value) => device.setInput(value % 8, value >= 128) };
  },
};

type Action = { poke: number } | { at: number; value: number } | { readAt: number };
const actions = fc.array(
  fc.oneof(
    fc.record({ poke: fc.nat(255) }),
    fc.record({ at: fc.nat(0x110).map((n) => n * 4), value: fc.oneof(fc.nat(255), fc.nat(0xffff_ffff)) }),
    fc.record({ readAt: fc.nat(0x1f).map((n) => n * 4) }),
  ),
  { maxLength: 40 },
);

function play(bench: Bench, list: readonly Action[]): void {
  for (const action of list) {
    if ('poke' in action) bench.poke(action.poke);
    else if ('at' in action) bench.device.write(action.at, 4, action.value);
    else bench.device.read(action.readAt, 4);
  }
}

describe.each(Object.entries(benches))('saved state of %s', (_name, make) => {
  it('makes another device the same in all that a guest can see', () => {
    fc.assert(
      fc.property(actions, (before) => {
        const one = make();
        play(one, before);
        const saved = JSON.parse(JSON.stringify(one.device.save()));
        const two = make();
        two.clock.time = one.clock.time;
        two.device.restore(saved);
        expect(two.device.save()).toEqual(saved);
        expect(two.irq.level).toBe(one.irq.level);
        for (const bench of [one, two]) bench.clock.advance(2e9);
        for (let offset = 0; offset < 0x60; offset += 4) {
          expect(two.device.read(offset, 4)).toBe(one.device.read(offset, 4));
        }
        expect(two.irq.level).toBe(one.irq.level);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('is refused where it is of another kind or version', () => {
    const { device } = make();
    expect(() => device.restore({ ...device.save(), version: 99 })).toThrow('EINVAL');
    expect(() => device.restore({ kind: 'toaster', version: 1 })).toThrow('EINVAL');
  });
});

describe('saved state of the power key', () => {
  it('lets a pressed key come up after the restore', () => {
    const [clock, levels] = [new TestClock(), [] as boolean[]];
    new PowerKey(clock, () => {}).press();
    const key = new PowerKey(clock, (level) => levels.push(level));
    const pressed = new PowerKey(clock, () => {});
    pressed.press();
    key.restore(pressed.save());
    clock.advance(100e6);
    expect(levels).toEqual([false]);
    expect(key.save().releaseAt).toBeNull();
  });
});
