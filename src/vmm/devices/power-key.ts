// A momentary push button on a GPIO line: what `gpio-keys` in the guest sees as KEY_POWER.

import {
  type DeviceClock,
  type DeviceState,
  type DeviceTimer,
  expectState,
  type Stateful,
} from './device.ts';

/** How long a press lasts; Linux debounces for 5 ms and must still find the key down after that. */
const PRESS_NS = 100e6;

export interface SavedPowerKey extends DeviceState {
  readonly kind: 'power-key';
  readonly version: 1;
  /** When the key comes up, in nanoseconds since power-on; null where it is up. */
  readonly releaseAt: number | null;
}

export class PowerKey implements Stateful<SavedPowerKey> {
  private readonly clock: DeviceClock;
  private readonly drive: (level: boolean) => void;
  private readonly timer: DeviceTimer;
  private releaseAt: number | null = null;

  /** `drive` sets the level of the line that the key pulls up. */
  constructor(clock: DeviceClock, drive: (level: boolean) => void) {
    this.clock = clock;
    this.drive = drive;
    this.timer = clock.createTimer(() => this.release());
  }

  press(): void {
    this.drive(true);
    this.releaseAt = this.clock.now() + PRESS_NS;
    this.timer.arm(this.releaseAt);
  }

  save(): SavedPowerKey {
    return { kind: 'power-key', version: 1, releaseAt: this.releaseAt };
  }

  /** The level of the line is the port's to restore. */
  restore(state: SavedPowerKey): void {
    expectState(state, 'power-key', 1);
    this.releaseAt = state.releaseAt;
    if (this.releaseAt !== null) this.timer.arm(this.releaseAt);
  }

  private release(): void {
    this.releaseAt = null;
    this.drive(false);
  }
}
