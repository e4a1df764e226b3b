// Which WebAssembly instances a process has made and still holds: an engine that lets go of code lets go of these, and
// then the host's collector takes them.

import { collectGarbage } from './resident.ts';

export class LiveInstances implements Disposable {
  private left: WeakRef<object>[] = [];
  private made = 0;
  private readonly original = WebAssembly.Instance;

  /** Counts from here on, until disposed. */
  constructor() {
    const { original } = this;
    const add = (instance: object): void => {
      this.made++;
      this.left.push(new WeakRef(instance));
    };
    const Counted = class extends original {
      constructor(...args: ConstructorParameters<typeof original>) {
        super(...args);
        add(this);
      }
    };
    Object.defineProperty(WebAssembly, 'Instance', { value: Counted, configurable: true, writable: true });
  }

  [Symbol.dispose](): void {
    Object.defineProperty(WebAssembly, 'Instance', {
      value: this.original,
      configurable: true,
      writable: true,
    });
  }

  /** How many were made. */
  get count(): number {
    return this.made;
  }

  /** Those that are left after a collection. */
  async live(): Promise<number> {
    // What a turn of the event loop has seen lives until its end.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    this.left = this.left.filter((ref) => ref.deref() !== undefined);
    return this.left.length;
  }
}
