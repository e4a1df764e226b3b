// Guest time, of two kinds. The virtual clock counts instructions, one a nanosecond, and jumps when nobody runs:
// the same inputs give the same run. The host clock follows real time while the machine runs. Both own the
// devices' timers.

import type { DeviceClock, DeviceTimer } from '../devices/index.ts';

/** Guest instructions in a nanosecond of virtual time; the 62.5 MHz counter ticks once in 16. */
export const INSTRUCTIONS_PER_NS = 1;

/** Something that counts the instructions it has run. */
export interface InstructionCounter {
  readonly instructions: number;
}

class Timer implements DeviceTimer {
  readonly fire: () => void;
  deadline = Infinity;

  constructor(fire: () => void) {
    this.fire = fire;
  }

  arm(deadline: number): void {
    this.deadline = deadline;
  }

  disarm(): void {
    this.deadline = Infinity;
  }
}

export abstract class MachineClock implements DeviceClock {
  private timers: Timer[] = [];
  private readonly epochSeconds: number;

  /** `epochSeconds`: the date at power-on, in seconds since 1970. */
  constructor(epochSeconds: number) {
    this.epochSeconds = epochSeconds;
  }

  abstract readonly virtual: boolean;
  abstract now(): number;
  /** Time stands still from pause() to resume(), and before the first resume(). */
  abstract pause(): void;
  abstract resume(): void;

  wallSeconds(): number {
    return this.epochSeconds + this.now() / 1e9;
  }

  createTimer(fire: () => void): DeviceTimer {
    const timer = new Timer(fire);
    this.timers.push(timer);
    return timer;
  }

  /** Forgets all timers: their devices are gone. */
  dropTimers(): void {
    this.timers = [];
  }

  /** The earliest deadline of a device, or Infinity. */
  nextTimer(): number {
    let earliest = Infinity;
    for (const timer of this.timers) if (timer.deadline < earliest) earliest = timer.deadline;
    return earliest;
  }

  /** Fires what is due, earliest first; a timer that arms itself anew for the past waits for the next call. */
  fireTimers(): void {
    const now = this.now();
    if (this.nextTimer() > now) return;
    const due = this.timers.filter((timer) => timer.deadline <= now).sort((a, b) => a.deadline - b.deadline);
    for (const timer of due) timer.disarm();
    for (const timer of due) timer.fire();
  }
}

export class VirtualClock extends MachineClock {
  readonly virtual = true;
  private base = 0;
  private running: InstructionCounter | undefined;
  private runningFrom = 0;

  now(): number {
    if (!this.running) return this.base;
    return this.base + (this.running.instructions - this.runningFrom) / INSTRUCTIONS_PER_NS;
  }

  /** From here on time follows `counter`, until leave(). */
  enter(counter: InstructionCounter): void {
    this.running = counter;
    this.runningFrom = counter.instructions;
  }

  leave(): void {
    this.base = this.now();
    this.running = undefined;
  }

  /** Skips idle time; never goes back. */
  jumpTo(time: number): void {
    if (time > this.base) this.base = time;
  }

  pause(): void {}
  resume(): void {}
}

export class HostClock extends MachineClock {
  readonly virtual = false;
  private elapsed = 0;
  private resumedAt: number | undefined;

  now(): number {
    if (this.resumedAt === undefined) return this.elapsed;
    return this.elapsed + Math.round((performance.now() - this.resumedAt) * 1e6);
  }

  pause(): void {
    this.elapsed = this.now();
    this.resumedAt = undefined;
  }

  resume(): void {
    this.resumedAt ??= performance.now();
  }
}
