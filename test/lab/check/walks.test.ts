import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { disagreements, SCENES, type Scene, Stage, touchEverything } from '../../../src/lab/check/index.ts';

/** Too large to be explored: 24 frames, every actor and every kind of page at once. */
const LARGE: Scene = {
  ...SCENES[0],
  name: 'large',
  frames: 24,
  hypervisor: true,
  swap: true,
  merge: true,
  slots: true,
  hostile: true,
  vms: [
    { isProtected: true, mte: true, logged: false, anonymous: 4, memfd: 3, guard: true, iommu: 'unmap' },
    { isProtected: false, mte: true, logged: true, anonymous: 4, memfd: 3, guard: true, iommu: 'refuse' },
  ],
};

describe('random walks on a large host', () => {
  const stage = new Stage(LARGE);
  const walk = fc.array(fc.nat({ max: stage.steps.length - 1 }), { minLength: 40, maxLength: 120 });

  it('break no invariant at any step, and decide() agrees with the records', () => {
    fc.assert(
      fc.property(walk, (steps) => {
        const world = stage.at([]);
        for (const step of steps) {
          const took = stage.attempt(world, step);
          const findings = audit(world.ledger);
          expect({
            step: stage.steps[step].name,
            took: typeof took === 'object' ? took : undefined,
            findings,
          }).toEqual({
            step: stage.steps[step].name,
            took: undefined,
            findings: [],
          });
          touchEverything(world);
        }
        expect(disagreements(world)).toEqual([]);
      }),
      { numRuns: 25, seed: 20251120 },
    );
  });
});
