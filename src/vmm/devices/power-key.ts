// A momentary push button on a GPIO line: what `gpio-keys` in the guest sees as KEY_POWER.

import type { DeviceClock, DeviceTimer } from './device.ts';

/** How long a press lasts; Linux debounces for 5 ms and must still find the key down after that. */
const PRESS_NS = 100e6;

export class PowerKey {
  private readonly clock: DeviceClock;
  private readonly drive: (level: boolean) => void;
  private readonly release: DeviceTimer;

  /** `drive` sets the level of the line that the key pulls up. */
  constructor(clock: DeviceClock, drive: (level: boolean) => void) {
    this.clock = clock;
    this.drive = drive;
    this.release = clock.createTimer(() => drive(false));
  }

  press(): void {
    this.drive(true);
    this.release.arm(this.clock.now() + PRESS_NS);
  }
}
