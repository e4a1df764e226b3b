import { describe, expect, it } from 'vitest';
import { type ProtectionStatus, ProtectionWatch } from '../../../src/vmm/machine/protection-watch.ts';

const MS = 1e6;

const status = (
  guardedPages: number,
  guardDenials: number,
  kind: ProtectionStatus['kind'] = 'pkvm',
): ProtectionStatus => ({
  kind,
  isKnown: guardedPages > 0,
  guardedPages,
  guardDenials,
  lastDenied: guardDenials > 0 ? 0x900_0000 : undefined,
  countPages: () => ({ private: 0, shared: 0 }),
  payload: () => [],
});

describe('a kernel that does not know of its protection', () => {
  it('is told apart once it has spun for a while after its first abort', () => {
    const watch = new ProtectionWatch();
    const ignorant = status(0, 1);
    watch.saw(ignorant, false, 10 * MS);
    expect(watch.verdict(ignorant, 20 * MS, false)).toBeUndefined();
    watch.saw(ignorant, false, 100 * MS);
    expect(watch.verdict(ignorant, 110 * MS, false)).toContain('0x9000000');
  });

  it('is told apart at once where it has given up by itself', () => {
    const watch = new ProtectionWatch();
    expect(watch.verdict(status(0, 1), 0, true)).toContain('CONFIG_ARM_PKVM_GUEST');
    expect(watch.verdict(status(0, 1, 'realm'), 0, true)).toMatch(/Realm Services Interface.*Linux 6\.13/);
  });

  it('is none that has announced a device, was never refused one, or goes idle after the abort', () => {
    const watch = new ProtectionWatch();
    for (const fine of [status(1, 5), status(0, 0)]) {
      watch.saw(fine, false, 0);
      expect(watch.verdict(fine, 1000 * MS, true)).toBeUndefined();
    }
    const survivor = new ProtectionWatch();
    survivor.saw(status(0, 0), true, 0);
    survivor.saw(status(0, 1), false, 1 * MS);
    survivor.saw(status(0, 1), true, 2 * MS);
    expect(survivor.verdict(status(0, 1), 1000 * MS, false)).toBeUndefined();
  });
});
