// The host's kernel at work on processes: copying to and from user memory, taking pages by force, writing core
// dumps, swapping and merging equal pages. It is not trusted with private memory, so each of these asks, and what a
// protected guest owns it can only take by destroying (FACTS D, force_reclaim).

import { Errno, type FrameNumber, frameNumber, type Hva, PAGE_SIZE } from '../../lib/index.ts';
import {
  type Actor,
  allowedFrame,
  decide,
  FRAME_TAGGED,
  forceReclaim,
  frameOf,
  HOST,
  hold,
  type Ledger,
  NONE,
  NOPAGE,
  present,
  type Refusal,
  View,
} from '../ledger/index.ts';
import type { AddressSpace } from './address-space.ts';
import type { Host } from './host.ts';

const KERNEL: Actor = { kind: 'host-kernel', vm: HOST };

/** One page of a core dump; `data` is undefined for what the kernel may not see or what was never touched. */
export interface DumpedPage {
  readonly address: number;
  readonly data: Uint8Array | undefined;
}

export class HostKernel {
  private readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  /** copy_from_user and copy_to_user at addresses of a process: a refusal is EFAULT to whoever called the kernel. */
  userPort(space: AddressSpace): HostKernelPort {
    return new HostKernelPort(this.host.ledger, space);
  }

  /**
   * get_user_pages and an access through the kernel's own mapping, which nothing refuses: a page that a protected
   * guest owns is taken from it by force, zeroed, and dead to it. Throws EFAULT where the process has no page.
   */
  getUserPage(space: AddressSpace, address: Hva): FrameNumber {
    const { ledger } = this.host;
    const route = space.route(Math.floor(address / PAGE_SIZE));
    const frame = route.hole === undefined ? frameOf(route) : NONE;
    if (frame !== NONE && ledger.frames.state[frame] === NOPAGE) {
      this.takeBack(frameNumber(frame));
      return frameNumber(frame);
    }
    if (!decide(ledger.frames, KERNEL, 'read', route).allowed)
      throw new Errno('EFAULT', 'the process has no such page');
    return present(ledger, route, false);
  }

  private takeBack(frame: FrameNumber): void {
    const { ledger } = this.host;
    const { frames } = ledger;
    const guest = ledger.guests.get(frames.owner[frame]);
    if (guest === undefined || frames.gfn[frame] === NONE)
      throw new Errno('EFAULT', 'the page cannot be taken back');
    const site = { frames, frame, guest, gfn: frames.gfn[frame] };
    if (ledger.refusal(forceReclaim, site)) throw new Errno('EFAULT', 'the page cannot be taken back');
    ledger.run(forceReclaim, site);
    ledger.releaseIfUnused(frame);
  }

  /** A core dump of a process: its pages in order, without those that are private to a VM. */
  *coreDump(space: AddressSpace): Generator<DumpedPage> {
    const { ledger } = this.host;
    for (const page of space.mappedPages()) {
      const frame = allowedFrame(ledger.frames, KERNEL, 'read', space.route(page));
      const data = frame === NONE ? undefined : ledger.memory.data(frameNumber(frame)).slice();
      yield { address: page * PAGE_SIZE, data };
    }
  }

  /** Writes a page out to swap. Throws ENOENT where it is not present, EBUSY where it is pinned, merged or private. */
  swapOut(space: AddressSpace, address: Hva): void {
    space.swapOut(Math.floor(address / PAGE_SIZE));
  }

  /**
   * Merges equal anonymous pages of the given processes (KSM): afterwards they share one frame, write-protected.
   * Pages with tags, pinned pages and private ones stay as they are. Returns how many frames came free.
   */
  merge(spaces: readonly AddressSpace[]): number {
    const { ledger } = this.host;
    const { frames, memory } = ledger;
    const seen = new Map<string, FrameNumber>();
    let merged = 0;
    for (const space of spaces) {
      const pages: [number, FrameNumber][] = [];
      space.eachFrame((page, frame) => pages.push([page, frame]));
      for (const [page, frame] of pages) {
        const mergeable =
          frames.owner[frame] === HOST &&
          frames.pins[frame] === 0 &&
          (frames.flags[frame] & FRAME_TAGGED) === 0;
        if (!mergeable) continue;
        const content = memory.data(frame).join();
        const twin = seen.get(content);
        if (twin === undefined) seen.set(content, frame);
        else if (twin !== frame && this.join(space, page, twin)) merged++;
      }
    }
    return merged;
  }

  private join(space: AddressSpace, page: number, twin: FrameNumber): boolean {
    const { ledger } = this.host;
    const { frames } = ledger;
    const site = { frames, frame: twin };
    // Whoever maps the page that stays must fault before the next write to it.
    ledger.holders.get(frames.holder[twin])?.unmapPage(frames.page[twin]);
    if (ledger.refusal(hold, site) !== undefined) return false;
    ledger.run(hold, site);
    space.replace(page, twin);
    return true;
  }
}

/** The kernel's own copies to and from a process's memory. */
export class HostKernelPort extends View {
  private readonly space: AddressSpace;

  constructor(ledger: Ledger, space: AddressSpace) {
    super(ledger);
    this.space = space;
  }

  get label(): string {
    return `the host's kernel at process ${this.space.id}`;
  }

  protected lookup(page: number, write: boolean): number {
    return allowedFrame(this.ledger.frames, KERNEL, write ? 'write' : 'read', this.space.route(page));
  }

  protected mustAskForWrites(page: number): boolean {
    return this.space.isUnloggedWrite(page);
  }

  protected resolve(page: number, write: boolean): number {
    const { ledger, space } = this;
    const route = space.route(page);
    const verdict = decide(ledger.frames, KERNEL, write ? 'write' : 'read', route);
    if (verdict.allowed) {
      const frame = this.bring(route, write);
      if (frame !== NONE && write) space.reportWrite(page);
      return frame;
    }
    const refusal: Refusal = { rule: verdict.rule, reason: verdict.reason, address: page * PAGE_SIZE };
    this.refusal = refusal;
    return NONE;
  }
}
