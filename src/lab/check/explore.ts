// Breadth-first over a scene, through the production code, to closure. A state is kept as the step that led to it;
// to stand in it again the shortest path is replayed. On the way it notes where each removable piece of a
// transition was asked about, which is where a ledger without that piece first goes another way (mutants.ts).

import type { PhysicalMemory } from '../../hypervisor/index.ts';
import { audit, type Ledger, RULES } from '../../hypervisor/ledger/index.ts';
import { Errno } from '../../lib/index.ts';
import { disagreements, type Finding } from './agree.ts';
import { canonical, recordsOf, symmetriesOf } from './canonical.ts';
import type { Scene } from './scenes.ts';
import { type Step, stepsOf } from './steps.ts';
import { sceneMemory, World } from './world.ts';
import { fillFrames, touchEverything } from './worst-case.ts';

export interface Trace {
  readonly scene: string;
  /** Readable steps, in order; the last one shows the violation. */
  readonly steps: readonly string[];
  readonly findings: readonly Finding[];
}

/** A state and the step from it at which a removed piece matters first. */
export interface Occasion {
  readonly path: readonly number[];
  readonly step: number;
}

export interface Exploration {
  readonly scene: string;
  readonly states: number;
  readonly transitions: number;
  /** Whether everything reachable was reached. */
  readonly closed: boolean;
  readonly violation: Trace | undefined;
  /** By mutant, the first occasions, shortest path first. */
  readonly occasions: ReadonlyMap<string, readonly Occasion[]>;
  /** Rules without which decide() disagrees with the records somewhere here: by rule, what shows. */
  readonly idleWithout: ReadonlyMap<string, Trace>;
}

export interface ExploreOptions {
  /** Stop after so many states. Default: none. */
  readonly limit?: number;
  /** Rules that another scene has shown to be needed. */
  readonly needed?: ReadonlySet<string>;
  /** Called after each state. */
  readonly progress?: (states: number, waiting: number) => void;
}

/** Kept for one piece in all, and of the same step: other steps show other things. */
const OCCASIONS = 64;
const OF_ONE_STEP = 4;

/** Removes nothing, and remembers what was asked about. */
class Probe extends Set<string> {
  readonly asked = new Set<string>();

  constructor() {
    super(['nothing']);
  }

  override has(name: string): boolean {
    this.asked.add(name);
    return false;
  }
}

/** Stands in any state of a scene. */
export class Stage {
  readonly scene: Scene;
  readonly steps: readonly Step[];
  private readonly memory: PhysicalMemory;
  private readonly orders: readonly (readonly number[])[];

  constructor(scene: Scene) {
    this.scene = scene;
    this.steps = stepsOf(scene);
    this.memory = sceneMemory(scene);
    this.orders = symmetriesOf(scene);
  }

  /** A world after these steps, with everybody having touched all that they may. */
  at(path: readonly number[]): World {
    const world = new World(this.scene, this.memory);
    for (const step of path) {
      fillFrames(world);
      this.attempt(world, step);
    }
    touchEverything(world);
    return world;
  }

  /** Takes one step. Whether the host took it; a fault of the ledger's code is a finding. */
  attempt(world: World, step: number): boolean | Finding {
    try {
      this.steps[step].take(world);
      return true;
    } catch (error) {
      if (error instanceof Errno) return false;
      const what = error instanceof Error ? error.message : String(error);
      return { invariant: 'conserved', found: `it threw: ${what}` };
    }
  }

  key(world: World): string {
    return canonical(world, this.orders);
  }

  trace(path: readonly number[], findings: readonly Finding[]): Trace {
    return { scene: this.scene.name, steps: path.map((step) => this.steps[step].name), findings };
  }
}

export const findingsOf = (ledger: Ledger): Finding[] => audit(ledger);

export function explore(stage: Stage, options: ExploreOptions = {}): Exploration {
  const { limit = Number.POSITIVE_INFINITY, needed = new Set<string>(), progress } = options;
  const parents = [-1];
  const last = [-1];
  const seen = new Map<string, number>();
  const occasions = new Map<string, Occasion[]>();
  const idleWithout = new Map<string, Trace>();
  const probe = new Probe();
  let transitions = 0;
  let violation: Trace | undefined;
  const pathTo = (node: number): number[] => {
    const path: number[] = [];
    for (let at = node; parents[at] >= 0; at = parents[at]) path.unshift(last[at]);
    return path;
  };
  const start = stage.at([]);
  seen.set(stage.key(start), 0);
  const startFindings = [...findingsOf(start.ledger), ...disagreements(start)];
  if (startFindings.length > 0) violation = stage.trace([], startFindings);
  let node = 0;
  for (; violation === undefined && node < parents.length && node < limit; node++) {
    const path = pathTo(node);
    let world = stage.at(path);
    const wrong = disagreements(world);
    if (wrong.length > 0) {
      violation = stage.trace(path, wrong);
      break;
    }
    tryRules(stage, world, path, needed, idleWithout);
    const here = recordsOf(world);
    for (let step = 0; step < stage.steps.length && violation === undefined; step++) {
      probe.asked.clear();
      world.ledger.mutants = probe;
      const took = stage.attempt(world, step);
      transitions++;
      for (const piece of probe.asked) {
        const known = occasions.get(piece);
        if (known === undefined) occasions.set(piece, [{ path, step }]);
        else if (known.length < OCCASIONS && isRare(known, step)) known.push({ path, step });
      }
      const same = equal(recordsOf(world), here);
      // Where no record changed nothing went stale; what the step itself showed counts all the same.
      const findings: Finding[] = same ? [...world.ledger.broken] : findingsOf(world.ledger);
      if (typeof took === 'object') findings.push(took);
      if (took === false && !same)
        findings.push({ invariant: 'conserved', found: 'the step was refused and changed the state' });
      if (findings.length > 0) violation = stage.trace([...path, step], findings);
      if (same) {
        if (took) touchEverything(world);
        continue;
      }
      const key = stage.key(world);
      if (!seen.has(key)) {
        seen.set(key, parents.length);
        parents.push(node);
        last.push(step);
      }
      world = stage.at(path);
    }
    progress?.(node + 1, parents.length - node - 1);
  }
  return {
    scene: stage.scene.name,
    states: parents.length,
    transitions,
    closed: violation === undefined && node === parents.length,
    violation,
    occasions,
    idleWithout,
  };
}

const equal = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length && one.every((value, n) => value === other[n]);

const isRare = (known: readonly Occasion[], step: number): boolean =>
  known.filter((other) => other.step === step).length < OF_ONE_STEP;

/** Which rules are needed in this state; each is looked for only until it has been found needed. */
function tryRules(
  stage: Stage,
  world: World,
  path: readonly number[],
  known: ReadonlySet<string>,
  needed: Map<string, Trace>,
): void {
  for (const rule of RULES) {
    if (known.has(rule.id) || needed.has(rule.id)) continue;
    const rest = RULES.filter((other) => other !== rule);
    const findings = disagreements(world, rest, true);
    if (findings.length > 0) needed.set(rule.id, stage.trace(path, findings.slice(0, 1)));
  }
}
