// The generic timer (Arm ARM D12): two comparators over one injected counter, each with a level-triggered line.
// It knows neither wall clocks nor interrupt controllers.

/** CNTFRQ_EL0, in Hz. */
export const COUNTER_FREQUENCY = 62_500_000;

/** The system counter. */
export interface Counter {
  /** Ticks of 16 ns since the machine's start; a double holds them exactly. */
  ticks(): number;
}

export type TimerName = 'physical' | 'virtual';
/** Called when a line changes. */
export type TimerLine = (timer: TimerName, level: boolean) => void;

const ENABLE = 1;
const IMASK = 2;
const ISTATUS = 4;

/** One comparator. Its count is the counter's minus `offset` (CNTVOFF as a hypervisor sets it). */
export class Timer {
  readonly name: TimerName;
  offset = 0;
  private readonly counter: Counter;
  private readonly line: TimerLine;
  private enabled = false;
  private masked = false;
  private compare = 0n;
  private level = false;

  constructor(name: TimerName, counter: Counter, line: TimerLine) {
    this.name = name;
    this.counter = counter;
    this.line = line;
  }

  reset(): void {
    this.enabled = false;
    this.masked = false;
    this.compare = 0n;
    this.update();
  }

  count(): bigint {
    return BigInt.asUintN(64, BigInt(this.counter.ticks() - this.offset));
  }

  private get fired(): boolean {
    return this.enabled && this.count() >= this.compare;
  }

  /** Drives the line as it stands now. */
  update(): void {
    const level = this.fired && !this.masked;
    if (level === this.level) return;
    this.level = level;
    this.line(this.name, level);
  }

  /** Counter ticks at which the line will rise, or Infinity. */
  deadline(): number {
    if (!this.enabled || this.masked || this.level) return Infinity;
    return Number(this.compare) + this.offset;
  }

  control(): bigint {
    return BigInt((this.enabled ? ENABLE : 0) | (this.masked ? IMASK : 0) | (this.fired ? ISTATUS : 0));
  }
  setControl(value: bigint): void {
    this.enabled = (Number(value & 3n) & ENABLE) !== 0;
    this.masked = (Number(value & 3n) & IMASK) !== 0;
    this.update();
  }
  compareValue(): bigint {
    return this.compare;
  }
  setCompareValue(value: bigint): void {
    this.compare = value;
    this.update();
  }
  /** CompareValue minus the count, as 32 bits. */
  timerValue(): bigint {
    return BigInt.asUintN(32, this.compare - this.count());
  }
  setTimerValue(value: bigint): void {
    this.setCompareValue(BigInt.asUintN(64, this.count() + BigInt.asIntN(32, value)));
  }
}

export class GenericTimer {
  readonly physical: Timer;
  readonly virtual: Timer;

  constructor(counter: Counter, line: TimerLine) {
    this.physical = new Timer('physical', counter, line);
    this.virtual = new Timer('virtual', counter, line);
  }

  reset(): void {
    this.physical.reset();
    this.virtual.reset();
  }

  /** To be called when time has passed: raises the lines that are due. */
  update(): void {
    this.physical.update();
    this.virtual.update();
  }

  /** Counter ticks of the next rising line, or Infinity. */
  nextDeadlineTicks(): number {
    return Math.min(this.physical.deadline(), this.virtual.deadline());
  }
}
