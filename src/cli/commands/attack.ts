// ringfence attack: every attack of the catalogue on a live guest under every protection, as a matrix; or one of them
// with its story.

import {
  ATTACKS,
  type Attack,
  formatCatalogue,
  formatMatrix,
  formatStory,
  MODES,
  type Mode,
  perform,
  type Result,
  summary,
} from '../../lab/attack/index.ts';
import { MUTANTS } from '../../lab/check/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, usageError } from '../exit-status.ts';
import { progressBar } from '../progress.ts';

interface AttackFlags {
  readonly attack?: string;
  readonly mode?: string;
  readonly mutant?: string;
  readonly list?: boolean;
  readonly json?: boolean;
}

/** Pieces of the ledger; what a rule says is not one, the decision has it. */
const PIECES = MUTANTS.filter(({ kind }) => kind !== 'rule');
const modeNames = MODES.map(({ name }) => name).join(', ');

export const attack = defineCommand<AttackFlags>({
  name: 'attack',
  summary: 'attack live guests in every known way, with and without protection',
  define(command) {
    command
      .option('--attack <name>', 'only this one, with its story')
      .option('--mode <name>', `only under this protection: ${modeNames}`)
      .option(
        '--mutant <name>',
        'leave out this piece of the ledger (ringfence check --list), and see who gets in',
      )
      .option('--list', 'show the catalogue')
      .option('--json', 'the results, with their stories, as JSON')
      .addHelpText(
        'after',
        '\nStatus 0: nothing leaks where the guest is protected, everything that should leak without protection does, every\nguest lives on as it must, and the audit finds nothing. 1: anything else; the lines with (!) say what.',
      );
  },
  async run(flags, _args, { stdout, stderr }) {
    if (flags.list) {
      stdout.write(`${formatCatalogue(ATTACKS)}\n`);
      return EXIT.ok;
    }
    const attacks = chosen(ATTACKS, 'attack', flags.attack, 'ringfence attack --list shows all');
    const modes = chosen(MODES, 'mode', flags.mode, `not one of ${modeNames}`);
    const [mutant] =
      flags.mutant === undefined ? [] : chosen(PIECES, 'mutant', flags.mutant, 'no piece of the ledger');
    const bar = progressBar(stderr);
    const results = await performAll(attacks, modes, mutant?.name, bar.update).finally(() => bar.finish());
    stdout.write(`${shown(flags, attacks, results)}\n`);
    return results.every(({ asExpected }) => asExpected) ? EXIT.ok : EXIT.host;
  },
});

function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  option: string,
  name: string | undefined,
  hint: string,
): readonly T[] {
  const some = name === undefined ? all : all.filter((one) => one.name === name);
  if (some.length === 0) throw usageError(`--${option} ${name}: no such ${option}; ${hint}`);
  return some;
}

async function performAll(
  attacks: readonly Attack[],
  modes: readonly Mode[],
  mutant: string | undefined,
  progress: (step: string, share: number) => void,
): Promise<Result[]> {
  const options = mutant === undefined ? {} : { mutants: new Set([mutant]) };
  const results: Result[] = [];
  const total = modes.length * attacks.length;
  for (const mode of modes) {
    for (const one of attacks) {
      progress(`mode ${mode.name}`, results.length / total);
      results.push(perform(one, mode, options));
      // Signals and the terminal get their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return results;
}

function shown(flags: AttackFlags, attacks: readonly Attack[], results: readonly Result[]): string {
  if (flags.json) return JSON.stringify(results, undefined, 2);
  if (flags.attack === undefined) return formatMatrix(results);
  return `${formatStory(attacks[0], results)}\n${summary(results)}`;
}
