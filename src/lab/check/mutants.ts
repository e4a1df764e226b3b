// The checker's own test: a ledger with exactly one piece left out (a precondition, a scrub, a dropping of caches,
// a rule) must be caught. Up to the step where the piece matters first such a ledger does what the real one does, so
// the search starts there, at the occasions that the exploration noted, and goes on breadth-first.

import { RULES, TRANSITIONS, type Transition } from '../../hypervisor/ledger/index.ts';
import { ARRIVALS } from '../../hypervisor/stage2/index.ts';
import { disagreements, type Finding } from './agree.ts';
import { findingsOf, type Occasion, type Stage, type Trace } from './explore.ts';
import type { World } from './world.ts';
import { touchEverything } from './worst-case.ts';

export type MutantKind = 'precondition' | 'scrub' | 'invalidation' | 'arrival' | 'rule';

export interface Mutant {
  readonly name: string;
  readonly kind: MutantKind;
  /** What is left out, in words. */
  readonly without: string;
}

/** One for each need, scrub and drop of every transition, each thing that a migrated page brings, and each rule. */
export const MUTANTS: readonly Mutant[] = [
  ...TRANSITIONS.flatMap(mutantsOf),
  ...ARRIVALS.map(({ id, says }): Mutant => ({ name: `import_page~${id}`, kind: 'arrival', without: says })),
  ...RULES.map(({ id, says }): Mutant => ({ name: `rule:${id}`, kind: 'rule', without: says })),
];

function mutantsOf(transition: Transition): Mutant[] {
  const { name, needs, scrubs, drops } = transition;
  const mutants: Mutant[] = needs.map(({ id, says }) => ({
    name: `${name}/${id}`,
    kind: 'precondition',
    without: `${name} needs that ${says}`,
  }));
  if (scrubs) mutants.push({ name: `${name}~scrub`, kind: 'scrub', without: `${name} zeroes the frame` });
  for (const kind of drops)
    mutants.push({
      name: `${name}!${kind}`,
      kind: 'invalidation',
      without: `${name} drops the frame from ${kind}`,
    });
  return mutants;
}

/** Steps tried after the one that the mutant lets through. */
const AFTER = 1;
/** Steps tried in all for one mutant in one scene. */
const PATIENCE = 300;

/** How a scene's world goes wrong without a piece, or undefined where it does not within reach. */
export function catchMutant(stage: Stage, name: string, occasions: readonly Occasion[]): Trace | undefined {
  const without = new Set([name]);
  let waiting = occasions.map(({ path, step }) => ({ path, wrong: [step] }));
  let tries = 0;
  for (let depth = 0; depth <= AFTER; depth++) {
    const next: typeof waiting = [];
    for (const { path, wrong } of waiting) {
      if (tries++ > PATIENCE) return undefined;
      const world = stage.at(path);
      world.ledger.mutants = without;
      const findings = go(stage, world, wrong);
      if (findings === undefined) continue;
      if (findings.length > 0) return stage.trace([...path, ...wrong], findings);
      for (let step = 0; step < stage.steps.length; step++) next.push({ path, wrong: [...wrong, step] });
    }
    waiting = next;
  }
  return undefined;
}

/** Takes the steps; what the last one shows. Undefined where it was refused, which leads nowhere new. */
function go(stage: Stage, world: World, steps: readonly number[]): Finding[] | undefined {
  let took: boolean | Finding = true;
  for (const [n, step] of steps.entries()) {
    if (n > 0) touchEverything(world);
    took = stage.attempt(world, step);
  }
  const findings = findingsOf(world.ledger);
  if (typeof took === 'object') findings.push(took);
  if (findings.length === 0) findings.push(...disagreements(world));
  return findings.length === 0 && took === false ? undefined : findings;
}
