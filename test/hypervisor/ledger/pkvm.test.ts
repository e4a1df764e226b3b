import { beforeEach, describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../../src/hardware/index.ts';
import {
  FRAME_FFA,
  type Guest,
  HOST,
  type Holder,
  HYP,
  Ledger,
  NONE,
  NOPAGE,
  OWNED,
  POISON,
  SHARED_BORROWED,
  SHARED_OWNED,
  TRANSITIONS,
  type Transition,
} from '../../../src/hypervisor/ledger/index.ts';
import { type FrameNumber, frameNumber } from '../../../src/lib/index.ts';
import { outcome } from '../stage2/kit.ts';

const GFN = 5;
const byName = (name: string): Transition => TRANSITIONS.find((transition) => transition.name === name)!;

/** A process with pages; the ledger asks nothing else of it here. */
class Process implements Holder {
  readonly label = 'a process';
  readonly id: number;
  private readonly held: FrameNumber[] = [];

  constructor(ledger: Ledger) {
    this.id = ledger.newHolderId();
    ledger.addHolder(this);
  }
  frameAt = (page: number): number => this.held[page] ?? NONE;
  privateTo = (): number => HOST;
  populate = (page: number): FrameNumber => frameNumber(this.held[page]);
  unmapPage(): void {}
  eachFrame(visit: (page: number, frame: FrameNumber) => void): void {
    for (const [page, frame] of this.held.entries()) visit(page, frame);
  }
  take(ledger: Ledger): FrameNumber {
    const frame = ledger.take(this, this.held.length);
    this.held.push(frame);
    return frame;
  }
}

describe('pKVM’s transitions (FACTS D)', () => {
  let ledger: Ledger;
  let frame: FrameNumber;
  let protectedVm: Guest;
  let otherVm: Guest;
  let ordinaryVm: Guest;

  beforeEach(() => {
    ledger = new Ledger(new PhysicalMemory({ frames: 4, systemBytes: 65536 }));
    ledger.watchful = true;
    frame = new Process(ledger).take(ledger);
    protectedVm = ledger.createGuest(true);
    otherVm = ledger.createGuest(true);
    ordinaryVm = ledger.createGuest(false);
  });

  const run = (name: string, guest?: Guest, gfn = GFN): unknown =>
    outcome(() =>
      ledger.run(byName(name), { frames: ledger.frames, frame, ...(guest ? { guest, gfn } : {}) }),
    );
  const host = (): number => ledger.frames.state[frame];
  const fill = (): void => {
    ledger.memory.data(frame).fill(7);
  };
  const first = (): number => ledger.memory.data(frame)[0];

  it('host_share_hyp and back', () => {
    expect(run('host_share_hyp')).toBe(0);
    expect(host()).toBe(SHARED_OWNED);
    expect(run('host_share_hyp')).toBe('EPERM');
    expect(run('host_donate_hyp')).toBe('EPERM');
    expect(run('host_unshare_hyp')).toBe(0);
    expect(host()).toBe(OWNED);
    expect(run('host_unshare_hyp')).toBe('EPERM');
  });

  it('host_unshare_hyp: EBUSY while the hypervisor counts on it', () => {
    run('host_share_hyp');
    run('pin');
    expect(run('host_unshare_hyp')).toBe('EBUSY');
    run('unpin');
    expect(run('host_unshare_hyp')).toBe(0);
  });

  it('host_donate_hyp and hyp_donate_host', () => {
    expect(run('hyp_donate_host')).toBe('EPERM');
    fill();
    expect(run('host_donate_hyp')).toBe(0);
    expect([host(), ledger.frames.owner[frame]]).toEqual([NOPAGE, HYP]);
    expect(run('host_donate_guest', protectedVm)).toBe('EPERM');
    expect(run('hyp_donate_host')).toBe(0);
    expect([host(), ledger.frames.owner[frame], first()]).toEqual([OWNED, HOST, 7]);
  });

  it('host_share_ffa and back', () => {
    expect(run('host_unshare_ffa')).toBe('EPERM');
    expect(run('host_share_ffa')).toBe(0);
    expect([host(), ledger.frames.flags[frame]]).toEqual([SHARED_OWNED, FRAME_FFA]);
    expect(run('host_unshare_hyp')).toBe('EPERM');
    expect(run('host_share_guest', ordinaryVm)).toBe('EPERM');
    expect(run('host_unshare_ffa')).toBe(0);
    expect(host()).toBe(OWNED);
  });

  it('host_share_guest counts its guests; the last to leave makes it OWNED', () => {
    const second = ledger.createGuest(false);
    expect(run('host_share_guest', protectedVm)).toBe('EINVAL');
    expect(run('host_share_guest', ordinaryVm)).toBe(0);
    expect(run('host_share_guest', ordinaryVm)).toBe('EPERM');
    expect(run('host_share_guest', second)).toBe(0);
    expect([host(), ledger.frames.lent[frame], second.stateAt(GFN)]).toEqual([
      SHARED_OWNED,
      2,
      SHARED_BORROWED,
    ]);
    expect(run('host_donate_guest', protectedVm)).toBe('EPERM');
    expect(run('host_unshare_guest', ordinaryVm)).toBe(0);
    expect(run('host_unshare_guest', ordinaryVm)).toBe('EPERM');
    expect(host()).toBe(SHARED_OWNED);
    expect(run('host_unshare_guest', second)).toBe(0);
    expect(host()).toBe(OWNED);
  });

  it('host_share_guest of what the hypervisor has: EPERM', () => {
    run('host_share_hyp');
    expect(run('host_share_guest', ordinaryVm)).toBe('EPERM');
  });

  it('host_donate_guest: once, to a protected VM, at one GFN, and never zeroed', () => {
    fill();
    expect(run('host_donate_guest', ordinaryVm)).toBe('EINVAL');
    expect(run('host_donate_guest', protectedVm)).toBe(0);
    expect([host(), protectedVm.stateAt(GFN), ledger.frames.gfn[frame], first()]).toEqual([
      NOPAGE,
      OWNED,
      GFN,
      7,
    ]);
    expect(run('host_donate_guest', otherVm)).toBe('EPERM');
    expect(run('host_donate_guest', protectedVm, GFN + 1)).toBe('EPERM');
  });

  it('host_donate_guest differs: EBUSY where a DMA map pins the frame', () => {
    run('pin');
    expect(run('host_donate_guest', protectedVm)).toBe('EBUSY');
  });

  it('guest_share_host and guest_unshare_host, which keep what is in the page', () => {
    run('host_donate_guest', protectedVm);
    fill();
    expect(run('guest_unshare_host', protectedVm)).toBe('EPERM');
    expect(run('guest_share_host', protectedVm)).toBe(0);
    expect([host(), protectedVm.stateAt(GFN)]).toEqual([SHARED_BORROWED, SHARED_OWNED]);
    expect(run('guest_share_host', protectedVm)).toBe('EPERM');
    expect(run('guest_unshare_host', protectedVm)).toBe(0);
    expect([host(), protectedVm.stateAt(GFN), first()]).toEqual([NOPAGE, OWNED, 7]);
  });

  it('guest_unshare_host differs: EBUSY while a DMA map pins the page', () => {
    run('host_donate_guest', protectedVm);
    run('guest_share_host', protectedVm);
    run('pin');
    expect(run('guest_unshare_host', protectedVm)).toBe('EBUSY');
  });

  it('force_reclaim zeroes, poisons the GFN for good, and the frame may go elsewhere', () => {
    run('host_donate_guest', protectedVm);
    fill();
    expect(run('force_reclaim', otherVm)).toBe('EPERM');
    expect(run('force_reclaim', protectedVm)).toBe(0);
    expect([host(), protectedVm.stateAt(GFN), first()]).toEqual([OWNED, POISON, 0]);
    expect(run('force_reclaim', protectedVm)).toBe('EPERM');
    expect(run('host_donate_guest', protectedVm)).toBe('EHWPOISON');
    expect(run('host_donate_guest', otherVm)).toBe(0);
    expect(ledger.broken).toEqual([]);
  });

  it('force_reclaim of a page that the guest shares: EPERM', () => {
    run('host_donate_guest', protectedVm);
    run('guest_share_host', protectedVm);
    expect(run('force_reclaim', protectedVm)).toBe('EPERM');
  });

  it.each([
    ['a page that it owns is zeroed', false, 0],
    ['a page that it shared is not', true, 7],
  ])('reclaim when the VM dies: %s', (_, share, content) => {
    run('host_donate_guest', protectedVm);
    fill();
    if (share) run('guest_share_host', protectedVm);
    expect(run('reclaim', protectedVm)).toBe('EBUSY');
    protectedVm.isDying = true;
    expect(run('reclaim', protectedVm)).toBe(0);
    expect([host(), protectedVm.stateAt(GFN), first()]).toEqual([OWNED, NOPAGE, content]);
  });

  it('every transition has its own name, and every condition of one its own id', () => {
    expect(new Set(TRANSITIONS.map(({ name }) => name)).size).toBe(TRANSITIONS.length);
    for (const { needs } of TRANSITIONS) expect(new Set(needs.map(({ id }) => id)).size).toBe(needs.length);
  });

  it('a refused transition changes nothing', () => {
    const before = JSON.stringify([...ledger.frames.state, ...ledger.frames.pins, ...ledger.frames.gfn]);
    for (const { name, needs } of TRANSITIONS) {
      for (const guest of [protectedVm, ordinaryVm]) {
        if (needs.every((needed) => needed.holds({ frames: ledger.frames, frame, guest, gfn: GFN })))
          continue;
        expect(run(name, guest)).toBeTypeOf('string');
      }
    }
    expect(JSON.stringify([...ledger.frames.state, ...ledger.frames.pins, ...ledger.frames.gfn])).toBe(
      before,
    );
  });
});
