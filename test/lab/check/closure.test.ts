import { describe, expect, it } from 'vitest';
import { INVARIANTS } from '../../../src/hypervisor/ledger/index.ts';
import { check, formatCheck, isSound, MUTANTS, SCENES } from '../../../src/lab/check/index.ts';

describe('ringfence check, all of it', () => {
  it('closes every scene without a violation, and every mutant is caught', async () => {
    const result = await check();
    expect(result.violations).toEqual([]);
    expect(result.survivors).toEqual([]);
    expect(result.scenes.map(({ scene, closed }) => [scene.name, closed])).toEqual(
      SCENES.map(({ name }) => [name, true]),
    );
    expect(new Set(result.deaths.map(({ mutant }) => mutant.name))).toEqual(
      new Set(MUTANTS.map(({ name }) => name)),
    );
    expect(result.deaths.every(({ trace, situation }) => (trace ?? situation) !== undefined)).toBe(true);
    expect(isSound(result)).toBe(true);
    const { states, transitions } = result;
    expect(states).toBeGreaterThan(8_000);
    expect(transitions).toBeGreaterThan(500_000);
    expect(formatCheck(result).split('\n').at(-1)).toBe(
      `check: ${states} states, ${transitions} transitions, ${INVARIANTS.length} invariants, 0 violations, mutants ${MUTANTS.length} of ${MUTANTS.length} killed`,
    );
  });

  it('has scenes of two VMs and three frames, in which every actor and every kind of page occurs', () => {
    for (const { vms, frames } of SCENES) expect([vms.length, frames]).toEqual([2, 3]);
    const plans = SCENES.flatMap(({ vms }) => vms);
    for (const occurs of [
      plans.some(({ isProtected }) => isProtected),
      plans.some(({ logged }) => logged),
      plans.some(({ memfd }) => memfd > 0),
      plans.some(({ iommu }) => iommu === 'refuse'),
      plans.some(({ iommu }) => iommu === 'unmap'),
      plans.some(({ mte, isProtected }) => mte && isProtected),
      plans.some(({ guard }) => guard),
      SCENES.some(({ swap, merge, oneProcess }) => swap && merge && oneProcess),
      SCENES.some(({ hypervisor, hostile }) => hypervisor && hostile),
      SCENES.some(({ migration }) => migration),
    ])
      expect(occurs).toBe(true);
  });
});
