import { describe, expect, it } from 'vitest';
import { MAX_GUARDED_PAGES, MmioGuard, type SavedGuard } from '../../../src/hypervisor/guard/index.ts';
import { Errno } from '../../../src/lib/index.ts';

describe('MMIO guard', () => {
  it('permits everything until it is enforced, then only guarded pages', () => {
    const guard = new MmioGuard();
    guard.map(5);
    expect([guard.permits(5), guard.permits(6), guard.denials]).toEqual([true, true, 0]);
    guard.enforce();
    expect([guard.permits(5), guard.permits(6), guard.denials]).toEqual([true, false, 0]);
    guard.countDenial(6);
    expect([guard.denials, guard.lastDenied]).toEqual([1, 6]);
    expect(guard.unmap(5)).toBe(true);
    expect(guard.unmap(5)).toBe(false);
    expect(guard.permits(5)).toBe(false);
  });

  it("leaves out the hypervisor's own registers", () => {
    const guard = new MmioGuard();
    guard.enforce();
    guard.exempt(0x8000000, 0x10000);
    expect([0x7fff, 0x8000, 0x800f, 0x8010].map((gfn) => guard.permits(gfn))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('remembers no more than its limit, whatever a guest asks for', () => {
    const guard = new MmioGuard();
    for (let gfn = 0; gfn < MAX_GUARDED_PAGES; gfn++) guard.map(gfn);
    expect(guard.map(MAX_GUARDED_PAGES)).toBe(false);
    expect(guard.map(7, 4)).toBe(true);
    expect(guard.size).toBe(MAX_GUARDED_PAGES);
  });

  it('is the same after save and restore, and saves the same again', () => {
    const guard = new MmioGuard();
    guard.enroll();
    guard.map(9, 0xff);
    guard.map(3);
    const saved = guard.save();
    expect(saved.pages).toEqual([
      { gfn: 3, attribute: undefined },
      { gfn: 9, attribute: 0xff },
    ]);
    const other = new MmioGuard();
    other.map(77);
    other.restore(structuredClone(saved));
    expect(other.save()).toEqual(saved);
    expect([other.permits(9), other.permits(77), other.isEnrolled]).toEqual([true, false, true]);
  });

  it('refuses a state that no guard can have, and keeps its own', () => {
    const sound: SavedGuard = { version: 1, enforced: true, enrolled: true, pages: [] };
    const guard = new MmioGuard();
    for (const bad of [
      { ...sound, version: 2 as 1 },
      { ...sound, enforced: false },
      { ...sound, pages: [{ gfn: -1, attribute: undefined }] },
      { ...sound, pages: [{ gfn: 1, attribute: 256 }] },
    ]) {
      expect(() => guard.restore(bad)).toThrow(Errno);
    }
    expect(guard.isEnforced).toBe(false);
  });
});
