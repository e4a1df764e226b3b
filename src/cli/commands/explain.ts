// ringfence explain: who may do what with a page of a running guest, by which rule.

import { explainOverQmp, formatPage, QmpClientError } from '../../lab/explain/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, hostError, reasonOf, usageError } from '../exit-status.ts';
import { endpointOption } from '../values.ts';

interface ExplainFlags {
  readonly qmp?: string;
  readonly json?: boolean;
  readonly history?: boolean;
}

const HIGHEST = 2 ** 52;

export const explain = defineCommand<ExplainFlags>({
  name: 'explain',
  summary: 'show who may touch a page of a running guest, and by which rule',
  define(command) {
    command
      .argument('<address>', 'guest-physical, decimal or 0x...')
      .option(
        '--qmp <socket>',
        "the monitor of the guest's 'ringfence run --qmp': a path, unix:PATH or a port",
      )
      .option('--json', 'the answer as JSON')
      .option('--history', 'and the transitions that the frame went through')
      .addHelpText(
        'after',
        "\nExample: ringfence run --protect pkvm --qmp unix:/tmp/qmp & ringfence explain 0x40000000 --qmp /tmp/qmp\nIn the table '-' is an operation that such an actor does not have.",
      );
  },
  async run(flags, [text], { stdout }) {
    const address = readAddress(text);
    if (flags.qmp === undefined)
      throw usageError(
        'explain asks a running guest; start one with run --qmp unix:PATH and give --qmp PATH',
      );
    const endpoint = endpointOption(
      '--qmp',
      /^\d+$|^unix:/.test(flags.qmp) ? flags.qmp : `unix:${flags.qmp}`,
    );
    try {
      const page = await explainOverQmp(endpoint, address);
      const { history, ...rest } = page;
      const shown = flags.history ? page : rest;
      stdout.write(
        flags.json
          ? `${JSON.stringify(shown, undefined, 2)}\n`
          : `${formatPage(page, { history: flags.history ?? false })}\n`,
      );
      return EXIT.ok;
    } catch (error) {
      if (error instanceof QmpClientError) throw hostError(`--qmp ${flags.qmp}: ${error.message}`);
      if (error instanceof Error && 'syscall' in error)
        throw usageError(`--qmp ${flags.qmp}: ${reasonOf(error)}; is the guest running?`);
      throw error;
    }
  },
});

function readAddress(text: string): number {
  const address = /^(0x[\da-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(address < HIGHEST))
    throw usageError(`${text}: not a guest-physical address; write for example 0x40000000`);
  return address;
}
