// A check in words.

import { INVARIANTS } from '../../hypervisor/ledger/index.ts';
import type { CheckResult, Death } from './check.ts';
import type { Trace } from './explore.ts';
import type { Mutant } from './mutants.ts';

/** Readable steps, then what they show. */
export function formatTrace({ scene, steps, findings }: Trace): string {
  const out = [`in the scene '${scene}':`];
  steps.forEach((step, n) => {
    out.push(`  ${n + 1}. ${step}`);
  });
  if (steps.length === 0) out.push('  at the start');
  for (const { invariant, found } of findings.slice(0, MOST)) out.push(`  => ${invariant}: ${found}`);
  if (findings.length > MOST) out.push(`  => and ${findings.length - MOST} more`);
  return out.join('\n');
}

const MOST = 6;

export function formatDeath({ mutant, trace, situation }: Death): string {
  const out = [`${mutant.name}: the ledger without this ${mutant.kind}: ${mutant.without}`, 'caught'];
  out.push(trace ? formatTrace(trace) : `in the table: ${situation}`);
  return out.join('\n');
}

export function formatMutants(mutants: readonly Mutant[]): string {
  const width = Math.max(...mutants.map(({ name }) => name.length));
  return mutants
    .map(({ name, kind, without }) => `${name.padEnd(width)}  ${kind.padEnd(12)}  ${without}`)
    .join('\n');
}

/** All of it; the last line has the form that scripts rely on. */
export function formatCheck(result: CheckResult): string {
  const { scenes, states, transitions, invariants, violations, deaths, survivors } = result;
  const out: string[] = [];
  for (const { scene, closed, seconds, ...counts } of scenes) {
    const end = closed ? 'closed' : 'NOT CLOSED';
    out.push(
      `${scene.name.padEnd(10)} ${String(counts.states).padStart(6)} states ${String(counts.transitions).padStart(8)} transitions  ${end}  ${seconds.toFixed(1)} s  ${scene.says}`,
    );
  }
  out.push(
    `${scenes.every(({ closed }) => closed) ? 'closure' : 'exploration'}: ${result.closureSeconds.toFixed(1)} seconds`,
  );
  out.push(`invariants: ${INVARIANTS.map(({ id }) => id).join(' ')}`);
  out.push(`preconditions against their sources: ${result.situations} situations`);
  for (const violation of violations) out.push('', 'VIOLATION', formatTrace(violation));
  if (violations.length === 0) {
    const byTrace = deaths.filter(({ trace }) => trace).length;
    out.push(
      `mutants: ${byTrace} caught by a state that breaks an invariant, ${deaths.length - byTrace} by an answer that is not the sources'`,
    );
  }
  for (const { name, without } of survivors) out.push(`SURVIVED ${name}: ${without}`);
  out.push(`${result.seconds.toFixed(1)} seconds in all`);
  const killed = violations.length > 0 ? 0 : deaths.length;
  out.push(
    `check: ${states} states, ${transitions} transitions, ${invariants} invariants, ${violations.length} violations, mutants ${killed} of ${deaths.length + survivors.length} killed`,
  );
  return out.join('\n');
}

/** Whether all is as it should be: closed, nothing violated, every mutant caught. */
export const isSound = ({ scenes, violations, survivors }: CheckResult): boolean =>
  violations.length === 0 && survivors.length === 0 && scenes.every(({ closed }) => closed);
