// Which pages of a VM were written (linux/kvm.h, KVM_GET_DIRTY_LOG and the rings): each logged slot's bitmap, or
// each vCPU's ring. Who writes asks nothing; it marks.

import { DirtyRing, type Slot } from '../slots/index.ts';

export class DirtyLog {
  /** Bytes of each vCPU's ring; 0 where bitmaps are used. */
  ringBytes = 0;
  /** With rings there is a bitmap too, for writes that no vCPU makes (KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP). */
  ringWithBitmap = false;
  private readonly rings = new Map<number, DirtyRing>();

  get usesRings(): boolean {
    return this.ringBytes > 0;
  }

  ring(vcpu: number): DirtyRing {
    let ring = this.rings.get(vcpu);
    if (ring === undefined) {
      ring = new DirtyRing(this.ringBytes);
      this.rings.set(vcpu, ring);
    }
    return ring;
  }

  allRings(): Iterable<DirtyRing> {
    return this.rings.values();
  }

  /** A vCPU's write to the page has been noted and not been read since. */
  has(slot: Slot, page: number): boolean {
    if (!this.usesRings) return slot.dirty?.has(page) ?? false;
    for (const ring of this.rings.values()) if (ring.holds(slot.id, page)) return true;
    return false;
  }

  /** Page `page` of a slot was written, by a vCPU or by something that is none. */
  mark(slot: Slot, page: number, vcpu?: number): void {
    if (this.usesRings && vcpu !== undefined) this.ring(vcpu).push(slot.id, page);
    else slot.dirty?.mark(page);
  }
}
