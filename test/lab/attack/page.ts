// docs/ATTACKS.md, made from the catalogue and from a run of it.

import {
  ATTACKS,
  cellOf,
  MODES,
  perform,
  type Result,
  STOPPING_RULES,
} from '../../../src/lab/attack/index.ts';

export const runAll = (): Result[] => MODES.flatMap((mode) => ATTACKS.map((attack) => perform(attack, mode)));

const cells = (row: readonly string[]): string => `| ${row.join(' | ')} |`;

export function attacksPage(results: readonly Result[]): string {
  const modes = MODES.map(({ name }) => name);
  const verdict = (attack: string, mode: string): string => {
    const result = results.find((one) => one.attack === attack && one.mode === mode);
    return result === undefined ? '' : cellOf(result.verdict).replace('stopped by ', '');
  };
  const rows = ATTACKS.map(({ name, who, what }) =>
    cells([name, who, what, ...modes.map((mode) => verdict(name, mode))]),
  );
  const used = new Set(
    results.flatMap(({ verdict: { kind, ...rest } }) =>
      kind === 'stopped' && 'rule' in rest ? [rest.rule] : [],
    ),
  );
  // The decision and the invariants share names: the first that has one says it shorter.
  const rules = [...used]
    .sort()
    .map((id) => cells([id, STOPPING_RULES.find((rule) => rule.id === id)?.says ?? '']));
  return `# Attacks

\`ringfence attack\` tries all of these, each on a live guest of its own: a program on the emulated CPU that keeps 32
bytes from the CPU's random source in a page, lends other pages, uses devices, and says after the attack whether its
memory is as it left it. Not protected (\`none\`), the guest's secret is anybody's on the host, and the attack has to
show it: a try that gains nothing there proves nothing elsewhere. The cell says what came of it: *leaks* - the attacker
saw bytes of the secret, learned it otherwise, or had the guest take something else for its own - or the rule that
stopped it.

After each attack the guest gives a sign of life on two vCPUs, or has met the end that the architecture gives a page that
was taken from it by force, and the audit of the ledger finds nothing. \`--attack NAME\` shows one step by step, with the
way that was walked and the bytes that were seen; \`--mutant NAME\` leaves a piece out of the ledger (\`ringfence check
--list\`) and shows who gets in.

This page is made from the catalogue and a run of it by \`node scripts/run.js test/lab/attack/docs.ts\`, and a test
compares.

${cells(['attack', 'by', 'what it does', ...modes])}
${cells(['attack', 'by', 'what', ...modes].map(() => '---'))}
${rows.join('\n')}

The rules:

| rule | says |
| --- | --- |
${rules.join('\n')}
`;
}
