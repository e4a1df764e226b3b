import { describe, expect, it } from 'vitest';
import {
  type CheckResult,
  catchMutant,
  checkContract,
  checkDrops,
  explore,
  formatCheck,
  formatTrace,
  isSound,
  MUTANTS,
  SCENES,
  type Scene,
  Stage,
  type World,
} from '../../../src/lab/check/index.ts';

const PLAN = {
  isProtected: false,
  mte: false,
  logged: false,
  anonymous: 0,
  memfd: 0,
  guard: false,
  iommu: undefined,
};

/** Small enough to be explored in a test, with a page of every kind. */
const SMALL: Scene = {
  ...SCENES[0],
  name: 'small',
  frames: 2,
  hostile: false,
  vms: [
    { ...PLAN, isProtected: true, anonymous: 1 },
    { ...PLAN, memfd: 1, mte: true },
  ],
};

const stage = new Stage(SMALL);
const found = explore(stage);

describe('the model checker (docs/TRUST.md)', () => {
  it('reaches every state of a small host, and none breaks an invariant', () => {
    expect(found.violation).toBeUndefined();
    expect(found.closed).toBe(true);
    expect(found.states).toBeGreaterThan(20);
    expect(found.transitions).toBe(found.states * stage.steps.length);
  });

  it('comes to the same states whatever is counted first', () => {
    const again = explore(new Stage(SMALL));
    expect([again.states, again.transitions]).toEqual([found.states, found.transitions]);
  });

  it('stands in the same state after the same steps', () => {
    const path = [0, 5, 1, 9];
    expect(stage.key(stage.at(path))).toBe(stage.key(stage.at(path)));
  });

  it('has a mutant for each precondition, scrub and drop of every transition, and for each rule', () => {
    const count = (kind: string): number => MUTANTS.filter((mutant) => mutant.kind === kind).length;
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    expect(count('precondition')).toBeGreaterThanOrEqual(60);
    expect(count('invalidation')).toBeGreaterThanOrEqual(11);
    expect(count('scrub')).toBeGreaterThanOrEqual(4);
    expect(count('rule')).toBeGreaterThanOrEqual(13);
    expect(count('arrival')).toBe(6);
  });

  it.each([
    ['host_donate_guest!views', 'sealed'],
    ['guest_unshare_host!views', 'sealed'],
    ['force_reclaim!guest', 'convertible'],
    ['unmap_private!guest', 'convertible'],
    ['force_reclaim~scrub', 'scrubbed'],
    ['unseal~scrub', 'scrubbed'],
    ['release~scrub', 'scrubbed'],
  ])('catches a ledger without %s', (name, invariant) => {
    const trace = catchMutant(stage, name, found.occasions.get(name) ?? []);
    expect(trace?.findings[0].invariant).toBe(invariant);
    expect(formatTrace(trace!)).toMatch(/^in the scene 'small':\n {2}1\. .*\n[\s\S]* => /);
  });

  it.each(['sealed', 'owner', 'unable', 'unmapped', 'host-memory', 'poisoned', 'elsewhere'])(
    'needs the rule %s: without it decide() contradicts the records',
    (rule) => {
      expect(found.idleWithout.get(rule)?.findings.length).toBeGreaterThan(0);
    },
  );
});

describe('a violation', () => {
  /** A ledger that forgets to tell views when a guest takes a page back. */
  class Forgetful extends Stage {
    override attempt(world: World, step: number): ReturnType<Stage['attempt']> {
      world.ledger.mutants = new Set(['guest_unshare_host!views']);
      return super.attempt(world, step);
    }
  }
  const { violation, closed, states, transitions } = explore(new Forgetful(SMALL));

  it('is shown with the shortest way to it, in readable steps', () => {
    expect(closed).toBe(false);
    expect(violation?.steps).toEqual([
      expect.stringMatching(/^vm0's /),
      "vm0's vCPU shares GFN 0 with the host",
      "vm0's vCPU unshares GFN 0",
    ]);
    expect(formatTrace(violation!)).toContain('=> sealed: the VMM (process 1)');
  });

  it('makes the run unsound, and mutants prove nothing then', () => {
    const result: CheckResult = {
      scenes: [{ scene: SMALL, states, transitions, closed, seconds: 0 }],
      states,
      transitions,
      invariants: 12,
      situations: 0,
      violations: [violation!],
      deaths: [],
      survivors: [],
      closureSeconds: 0,
      seconds: 0,
    };
    expect(isSound(result)).toBe(false);
    expect(formatCheck(result)).toMatch(/\nVIOLATION\n[\s\S]*1 violations, mutants 0 of 0 killed$/);
  });
});

describe('the preconditions against their sources', () => {
  const contract = checkContract(7);

  it('give the errno of FACTS D, in its order, in every situation', () => {
    expect(contract.wrong).toBeUndefined();
    expect(contract.asked).toBeGreaterThan(900_000);
  });

  it('are all needed', () => {
    const idle = MUTANTS.filter(({ kind, name }) => kind === 'precondition' && !contract.needed.has(name));
    expect(idle).toEqual([]);
  });
});

describe('what transitions make caches forget', () => {
  const drops = checkDrops();

  it('leaves no stale answer behind', () => {
    expect(drops.wrong).toEqual([]);
  });

  it('is needed, each drop', () => {
    const idle = MUTANTS.filter(({ kind, name }) => kind === 'invalidation' && !drops.needed.has(name));
    expect(idle).toEqual([]);
  });
});
