// ringfence lab: scenarios from the debate, each a table of what a design does.

import { DESIGNS, formatOutcomes, runDesign } from '../../lab/mte-mapping/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, usageError } from '../exit-status.ts';

interface Scenario {
  readonly name: string;
  readonly says: string;
  /** The report. */
  run(): string;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'mte-mapping',
    says: 'should a VMM map guest memory with PROT_MTE? the rejected designs beside the accepted one',
    run: () => formatOutcomes(DESIGNS.map(runDesign)),
  },
];

const list = (): string => SCENARIOS.map(({ name, says }) => `${name.padEnd(14)}${says}`).join('\n');

export const lab = defineCommand<{ readonly list?: boolean }>({
  name: 'lab',
  summary: 'run a scenario from the debate and print what each design comes to',
  define(command) {
    command
      .argument('[name]', 'which scenario')
      .option('--list', 'show the scenarios')
      .addHelpText('after', `\nScenarios:\n${list()}`);
  },
  async run(flags, [name], { stdout }) {
    if (flags.list) {
      stdout.write(`${list()}\n`);
      return EXIT.ok;
    }
    if (name === undefined) throw usageError('lab: which scenario? ringfence lab --list shows them');
    const scenario = SCENARIOS.find((s) => s.name === name);
    if (!scenario) throw usageError(`lab ${name}: no such scenario; ringfence lab --list shows them`);
    stdout.write(`${scenario.run()}\n`);
    return EXIT.ok;
  },
});
