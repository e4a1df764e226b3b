// Guest time as the hypervisor sees it: injected, so that one clock drives everything.

/** Nanoseconds since power-on. While a vCPU runs on a virtual clock, each instruction is one nanosecond. */
export interface GuestClock {
  now(): number;
  /** Time derives from executed instructions, so a deadline is an exact number of them away. */
  readonly virtual: boolean;
}

/** Nanoseconds in a tick of the 62.5 MHz system counter. */
export const NS_PER_TICK = 16;
