import { describe, expect, it } from 'vitest';
import { HostClock, VirtualClock } from '../../../src/vmm/machine/clock.ts';

describe('virtual clock', () => {
  it('counts one instruction a nanosecond, also in the middle of a slice', () => {
    const clock = new VirtualClock(0);
    const cpu = { instructions: 500 };
    clock.enter(cpu);
    cpu.instructions += 30;
    expect(clock.now()).toBe(30);
    clock.leave();
    cpu.instructions += 7;
    expect(clock.now()).toBe(30);
  });

  it('adds up the slices of several vCPUs, so that no vCPU sees time go back', () => {
    const clock = new VirtualClock(0);
    const cpus = [{ instructions: 0 }, { instructions: 0 }];
    for (const cpu of cpus) {
      clock.enter(cpu);
      cpu.instructions += 100;
      clock.leave();
    }
    expect(clock.now()).toBe(200);
  });

  it('jumps forward only', () => {
    const clock = new VirtualClock(100);
    clock.jumpTo(5e9);
    clock.jumpTo(1);
    expect(clock.now()).toBe(5e9);
    expect(clock.wallSeconds()).toBe(105);
  });
});

describe('device timers', () => {
  it('fire once, in the order of their deadlines', () => {
    const clock = new VirtualClock(0);
    const fired: string[] = [];
    const a = clock.createTimer(() => fired.push('a'));
    const b = clock.createTimer(() => fired.push('b'));
    a.arm(20);
    b.arm(10);
    expect(clock.nextTimer()).toBe(10);
    clock.fireTimers();
    expect(fired).toEqual([]);
    clock.jumpTo(20);
    clock.fireTimers();
    clock.fireTimers();
    expect(fired).toEqual(['b', 'a']);
    expect(clock.nextTimer()).toBe(Infinity);
  });

  it('may be disarmed and armed anew, also while they fire', () => {
    const clock = new VirtualClock(0);
    let count = 0;
    const timer = clock.createTimer(() => {
      count++;
      timer.arm(clock.now());
    });
    timer.arm(1);
    timer.disarm();
    clock.jumpTo(5);
    clock.fireTimers();
    expect(count).toBe(0);
    timer.arm(1);
    clock.fireTimers();
    expect(count).toBe(1);
    clock.fireTimers();
    expect(count).toBe(2);
  });
});

describe('host clock', () => {
  it('stands still while paused', async () => {
    const clock = new HostClock(0);
    expect(clock.now()).toBe(0);
    clock.resume();
    await new Promise((resolve) => setTimeout(resolve, 10));
    clock.pause();
    const at = clock.now();
    expect(at).toBeGreaterThan(8e6);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(clock.now()).toBe(at);
  });
});
