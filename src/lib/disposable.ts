// Owning listeners, timers, sockets and workers, so that each is let go exactly once.

export interface Disposable {
  dispose(): void;
}

/** Disposes what was added, last first, once; what is added after that is disposed at once. */
export class DisposableStore implements Disposable {
  private items: Disposable[] | undefined = [];

  add<T extends Disposable>(item: T): T {
    if (this.items) this.items.push(item);
    else item.dispose();
    return item;
  }

  dispose(): void {
    const items = this.items;
    this.items = undefined;
    for (const item of (items ?? []).reverse()) item.dispose();
  }
}
