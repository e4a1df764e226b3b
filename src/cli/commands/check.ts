// ringfence check: the model checker over the production ledger, and the proof that it would notice.

import {
  type CheckResult,
  formatCheck,
  formatDeath,
  formatMutants,
  isSound,
  MUTANTS,
  check as perform,
  SCENES,
} from '../../lab/check/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, usageError } from '../exit-status.ts';
import { progressBar } from '../progress.ts';

interface CheckFlags {
  readonly mutant?: string;
  readonly scene?: string;
  readonly list?: boolean;
}

export const check = defineCommand<CheckFlags>({
  name: 'check',
  summary: 'explore every state of small hosts, and hold each against the invariants',
  define(command) {
    command
      .option(
        '--mutant <name>',
        'leave out this one precondition, invalidation, scrub or rule, and show it caught',
      )
      .option('--scene <name>', `explore only one of ${SCENES.map(({ name }) => name).join(', ')}`)
      .option('--list', 'show what can be left out')
      .addHelpText(
        'after',
        '\nStatus 0: all explored, nothing violated, every mutant caught. 1: a violation (with the steps that lead to it)\nor a mutant that survived.',
      );
  },
  async run(flags, _args, { stdout, stderr }) {
    if (flags.list) {
      stdout.write(`${formatMutants(MUTANTS)}\n`);
      return EXIT.ok;
    }
    const scenes = flags.scene === undefined ? SCENES : SCENES.filter(({ name }) => name === flags.scene);
    if (scenes.length === 0)
      throw usageError(`--scene ${flags.scene}: not one of ${SCENES.map(({ name }) => name).join(', ')}`);
    const mutants =
      flags.mutant === undefined ? MUTANTS : MUTANTS.filter(({ name }) => name === flags.mutant);
    if (mutants.length === 0)
      throw usageError(`--mutant ${flags.mutant}: no such piece; ringfence check --list shows all`);
    const bar = progressBar(stderr);
    const result = await perform({ scenes, mutants, progress: bar.update }).finally(() => bar.finish());
    if (flags.mutant !== undefined)
      for (const death of result.deaths) stdout.write(`${formatDeath(death)}\n\n`);
    stdout.write(`${formatCheck(result)}\n`);
    return statusOf(result);
  },
});

const statusOf = (result: CheckResult): number => (isSound(result) ? EXIT.ok : EXIT.host);
