// What GDB's `monitor` command asks of the machine itself (qRcmd): who may do what with a page, and a reset. Commands
// and answers are text, in hex on the wire.

import { formatExplanation } from '../../../hypervisor/index.ts';
import { ERRNO } from '../../../lib/index.ts';
import type { Command, CommandContext } from './commands.ts';
import { fromHex, latin1, PACKET_SIZE, toHex } from './packets.ts';

const INVALID = `E${ERRNO.EINVAL.toString(16)}`;
/** Two hex digits a byte, and room for the framing. */
const MAX_TEXT = PACKET_SIZE / 2 - 8;

interface MonitorCommand {
  readonly help: string;
  run(session: CommandContext, argument: string): string;
}

const MONITOR: Readonly<Record<string, MonitorCommand>> = {
  explain: {
    help: 'explain ADDRESS   who may do what with the page of a guest-physical address, by which rule',
    run({ machine }, argument) {
      if (!/^(0x[0-9a-f]{1,16}|\d{1,17})$/i.test(argument)) return `${argument}: no address\n`;
      try {
        return `${formatExplanation(machine.explain(Number(argument)))}\n`;
      } catch (error) {
        if (error instanceof RangeError) return `${error.message}\n`;
        throw error;
      }
    },
  },
  reset: {
    help: 'reset             starts the machine anew once it goes on; breakpoints stay',
    run({ machine }) {
      machine.reset();
      return 'reset\n';
    },
  },
};

const HELP = `${Object.values(MONITOR)
  .map(({ help }) => help)
  .join('\n')}\n`;

export const MONITOR_COMMAND: Command = {
  name: 'qRcmd,',
  run(session, rest) {
    const bytes = fromHex(rest);
    if (!bytes) return INVALID;
    const [name, argument = ''] = latin1(bytes).trim().split(/\s+/);
    const command = Object.hasOwn(MONITOR, name) ? MONITOR[name] : undefined;
    const text = command ? command.run(session, argument) : HELP;
    return toHex(new TextEncoder().encode(text).subarray(0, MAX_TEXT));
  },
};
