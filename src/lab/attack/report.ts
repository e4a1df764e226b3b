// What a person reads: the matrix of attacks and modes with the line for scripts at its end, the catalogue, and one
// attack's story.

import type { Attack } from './attack.ts';
import type { Result, Verdict } from './judge.ts';
import { saysOf } from './rules.ts';

export const cellOf = (verdict: Verdict): string =>
  verdict.kind === 'leaks'
    ? 'leaks'
    : verdict.kind === 'stopped'
      ? `stopped by ${verdict.rule}`
      : 'unexplained';

/** Columns as wide as their widest cell. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function formatMatrix(results: readonly Result[]): string {
  const modes = [...new Set(results.map(({ mode }) => mode))];
  const names = [...new Set(results.map(({ attack }) => attack))];
  const find = (attack: string, mode: string): Result | undefined =>
    results.find((result) => result.attack === attack && result.mode === mode);
  const rows = names.map((name) => [
    name,
    ...modes.map((mode) => {
      const result = find(name, mode);
      return result === undefined ? '' : `${cellOf(result.verdict)}${result.asExpected ? '' : ' (!)'}`;
    }),
  ]);
  const wrong = results.filter(({ asExpected }) => !asExpected).map(complaint);
  return [columns([['', ...modes], ...rows]), ...wrong, summary(results)].join('\n');
}

function complaint({ attack, mode, verdict, fate, violations }: Result): string {
  const guest = fate === undefined ? 'the guest is dead' : `the guest: ${fate}`;
  return `(!) ${attack} in mode ${mode} is not as it has to be: ${[cellOf(verdict), guest, ...violations].join('; ')}`;
}

/** 'attack: N attacks, leaks none=N pkvm=N realm=N'. */
export function summary(results: readonly Result[]): string {
  const modes = [...new Set(results.map(({ mode }) => mode))];
  const attacks = new Set(results.map(({ attack }) => attack)).size;
  const leaks = modes.map((mode) => {
    const count = results.filter((result) => result.mode === mode && result.verdict.kind === 'leaks').length;
    return `${mode}=${count}`;
  });
  return `attack: ${attacks} attacks, leaks ${leaks.join(' ')}`;
}

export const formatCatalogue = (attacks: readonly Attack[]): string =>
  columns(attacks.map(({ name, who, what }) => [name, who, what]));

export function formatStory(attack: Attack, results: readonly Result[]): string {
  const out = [`${attack.name} (${attack.who}): ${attack.what}`];
  for (const { mode, verdict, story, asExpected } of results) {
    out.push(
      '',
      `mode ${mode}:`,
      ...story.map((line, n) => `  ${n + 1}. ${line}`),
      `  => ${outcome(verdict)}`,
    );
    if (!asExpected) out.push('  (!) this is not as it has to be');
  }
  return out.join('\n');
}

function outcome(verdict: Verdict): string {
  if (verdict.kind === 'leaks') return `leaks: the attacker ${verdict.how}`;
  if (verdict.kind === 'stopped') return `stopped by ${verdict.rule}: ${saysOf(verdict.rule)}`;
  return 'nothing gained, and no rule says why';
}
