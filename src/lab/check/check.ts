// The whole check: explore every scene to closure, try the preconditions as a truth table, and prove on mutants that
// both would notice. It computes; words for a terminal are in report.ts.

import { INVARIANTS } from '../../hypervisor/ledger/index.ts';
import { checkContract } from './contract.ts';
import { checkDrops } from './drops.ts';
import { type Exploration, explore, type Occasion, Stage, type Trace } from './explore.ts';
import { catchMutant, MUTANTS, type Mutant } from './mutants.ts';
import { SCENES, type Scene } from './scenes.ts';

export interface CheckOptions {
  /** Default: all. */
  readonly scenes?: readonly Scene[];
  /** Default: all. */
  readonly mutants?: readonly Mutant[];
  readonly progress?: (what: string, share: number) => void;
}

export interface Death {
  readonly mutant: Mutant;
  /** The shortest trace found, where a state shows it. */
  readonly trace: Trace | undefined;
  /** The situation that shows it, where only the truth table does. */
  readonly situation: string | undefined;
}

export interface SceneResult {
  readonly scene: Scene;
  readonly states: number;
  readonly transitions: number;
  readonly closed: boolean;
  readonly seconds: number;
}

export interface CheckResult {
  readonly scenes: readonly SceneResult[];
  readonly states: number;
  readonly transitions: number;
  readonly invariants: number;
  /** Combinations of the truth table. */
  readonly situations: number;
  readonly violations: readonly Trace[];
  readonly deaths: readonly Death[];
  readonly survivors: readonly Mutant[];
  /** The exploration of all scenes, without the tables and the mutants. */
  readonly closureSeconds: number;
  readonly seconds: number;
}

/** Situations of the truth table that lie between two that are tried; a prime, so that all fields vary. */
const TABLE_STRIDE = 7;

export async function check(options: CheckOptions = {}): Promise<CheckResult> {
  const { scenes = SCENES, mutants = MUTANTS, progress } = options;
  const started = performance.now();
  const results: SceneResult[] = [];
  const violations: Trace[] = [];
  const stages: { stage: Stage; occasions: ReadonlyMap<string, readonly Occasion[]> }[] = [];
  const rules = new Map<string, Trace>();
  for (const scene of scenes) {
    const from = performance.now();
    const stage = new Stage(scene);
    const found = await exploreQuietly(stage, rules, progress);
    const { states, transitions, closed, violation, occasions, idleWithout } = found;
    results.push({ scene, states, transitions, closed, seconds: (performance.now() - from) / 1000 });
    if (violation) violations.push(violation);
    for (const [rule, trace] of idleWithout) rules.set(rule, trace);
    stages.push({ stage, occasions });
  }
  const closureSeconds = (performance.now() - started) / 1000;
  const contract = checkContract(TABLE_STRIDE);
  const drops = checkDrops();
  if (contract.wrong !== undefined) {
    violations.push({
      scene: 'truth table',
      steps: [],
      findings: [{ invariant: 'errno', found: contract.wrong }],
    });
  }
  for (const found of drops.wrong)
    violations.push({ scene: 'drops', steps: [], findings: [{ invariant: 'convertible', found }] });
  const deaths: Death[] = [];
  const survivors: Mutant[] = [];
  // With the real ledger in doubt, a mutant's end would prove nothing.
  for (const [n, mutant] of (violations.length > 0 ? [] : mutants).entries()) {
    progress?.(`mutants: ${mutant.name}`, n / mutants.length);
    if (n % 8 === 0) await pause();
    const trace = rules.get(mutant.name.replace(/^rule:/, '')) ?? tryScenes(stages, mutant);
    const situation = trace ? undefined : (contract.needed.get(mutant.name) ?? drops.needed.get(mutant.name));
    if (trace ?? situation) deaths.push({ mutant, trace, situation });
    else survivors.push(mutant);
  }
  return {
    scenes: results,
    states: results.reduce((sum, { states }) => sum + states, 0),
    transitions: results.reduce((sum, { transitions }) => sum + transitions, 0),
    invariants: INVARIANTS.length,
    situations: contract.asked,
    violations,
    deaths,
    survivors,
    closureSeconds,
    seconds: (performance.now() - started) / 1000,
  };
}

function tryScenes(
  stages: readonly { stage: Stage; occasions: ReadonlyMap<string, readonly Occasion[]> }[],
  { name }: Mutant,
): Trace | undefined {
  for (const { stage, occasions } of stages) {
    const trace = catchMutant(stage, name, occasions.get(name) ?? []);
    if (trace) return trace;
  }
  return undefined;
}

/** A refused step costs no stack trace; most steps of an exploration are refused. */
async function exploreQuietly(
  stage: Stage,
  known: ReadonlyMap<string, unknown>,
  progress: CheckOptions['progress'],
): Promise<Exploration> {
  await pause();
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return explore(stage, {
      needed: new Set(known.keys()),
      progress: (states, waiting) => {
        if (states % 64 === 0) progress?.(`scene ${stage.scene.name}`, states / (states + waiting));
      },
    });
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Lets a terminal draw and a signal arrive. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
