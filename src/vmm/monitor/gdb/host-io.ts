// Files of the target (GDB manual, E.7: host I/O), of which there is one: /proc/PID/smaps. GDB before 15 does not ask
// qIsAddressTagged but looks there for mappings with the flag mt; that a page has no tags qMemTags then tells it.

import type { Command, CommandContext } from './commands.ts';
import { escapeBinary, fromHex, PACKET_SIZE, parseCount } from './packets.ts';

/** The one process, which all vCPUs are threads of. */
export const PROCESS = 1;
const FILE = `/proc/${PROCESS}/smaps`;
const DESCRIPTOR = 3;
const NO_SUCH_FILE = 'F-1,2';
const BAD_DESCRIPTOR = 'F-1,9';

/** Both halves of the address space, and whether there are tags. */
const smaps = (hasMte: boolean): string =>
  ['0000000000000000-0100000000000000', 'ff00000000000000-ffffffffffffffff']
    .map((range) => `${range} rwxp 00000000 00:00 0 \nVmFlags: rd wr ex${hasMte ? ' mt' : ''} \n`)
    .join('');

function open(_: CommandContext, rest: string): string {
  const name = fromHex(rest.split(',')[0] as string);
  return name && new TextDecoder().decode(name) === FILE ? `F${DESCRIPTOR.toString(16)}` : NO_SUCH_FILE;
}

function read({ machine }: CommandContext, rest: string): string {
  const [descriptor, count, offset] = rest.split(',').map((text) => parseCount(text));
  if (descriptor !== DESCRIPTOR || count === undefined || offset === undefined) return BAD_DESCRIPTOR;
  const part = smaps(machine.debugger.hasMte).slice(offset, offset + Math.min(count, PACKET_SIZE / 2));
  return `F${part.length.toString(16)};${escapeBinary(part)}`;
}

export const HOST_IO_COMMANDS: readonly Command[] = [
  { name: 'vFile:setfs:', run: () => 'F0' },
  { name: 'vFile:open:', run: open },
  { name: 'vFile:pread:', run: read },
  { name: 'vFile:close:', run: (_, rest) => (parseCount(rest) === DESCRIPTOR ? 'F0' : BAD_DESCRIPTOR) },
];
