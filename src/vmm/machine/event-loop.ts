// Giving the host's event loop a turn, and sleeping until a time or a wake-up: in Node and in browsers alike.

/** Lets sockets, timers and input be served, then goes on: setImmediate in Node, a message to itself elsewhere. */
export function yieldToHost(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}

/** The longest delay that setTimeout() takes. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** A sleep that others can end. A wake-up that comes before the sleep, and after the last clear(), ends it at once. */
export class Alarm {
  woken = false;
  private end: (() => void) | undefined;

  wake(): void {
    this.woken = true;
    this.end?.();
  }

  /** Whatever woke us is about to be looked after. */
  clear(): void {
    this.woken = false;
  }

  /** Until wake(), or for `milliseconds` where that is finite. */
  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      this.end = () => {
        this.end = undefined;
        this.woken = false;
        clearTimeout(timer);
        resolve();
      };
      if (this.woken) this.end();
      else if (milliseconds < Infinity)
        timer = setTimeout(() => this.end?.(), Math.min(milliseconds, MAX_TIMEOUT_MS));
    });
  }
}
