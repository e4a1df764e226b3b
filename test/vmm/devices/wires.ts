// Stand-ins for what the board gives a device.

import type { DeviceClock, DeviceTimer, IrqLine, SerialLine } from '../../../src/vmm/devices/index.ts';
import { LINE_IDLE } from '../../../src/vmm/devices/index.ts';

export class TestLine implements IrqLine {
  level = false;
  set(level: boolean): void {
    this.level = level;
  }
}

/** Time that a test moves by hand. */
export class TestClock implements DeviceClock {
  time = 0;
  epoch = 1_000_000;
  private timers: { deadline: number; fire: () => void }[] = [];

  now(): number {
    return this.time;
  }

  wallSeconds(): number {
    return this.epoch + this.time / 1e9;
  }

  createTimer(fire: () => void): DeviceTimer {
    const timer = { deadline: Infinity, fire };
    this.timers.push(timer);
    return {
      arm: (deadline) => {
        timer.deadline = deadline;
      },
      disarm: () => {
        timer.deadline = Infinity;
      },
    };
  }

  advance(nanoseconds: number): void {
    this.time += nanoseconds;
    for (const timer of this.timers) {
      if (timer.deadline > this.time) continue;
      timer.deadline = Infinity;
      timer.fire();
    }
  }
}

export class TestSerial implements SerialLine {
  readonly sent: number[] = [];
  waiting: number[] = [];

  get text(): string {
    return String.fromCharCode(...this.sent);
  }

  type(text: string): void {
    for (const character of text) this.waiting.push(character.charCodeAt(0));
  }

  transmit(byte: number): void {
    this.sent.push(byte);
  }

  receive(): number {
    return this.waiting.shift() ?? LINE_IDLE;
  }

  giveBack(data: readonly number[]): void {
    this.waiting.unshift(...data);
  }
}
