// Allocation tags for a debugger (GDB manual, E.4: memory-tagging): qMemTags, QMemTags, qIsAddressTagged. Type 1 are
// allocation tags, one byte each in the protocol; logical tags GDB makes out of pointers by itself.

import { ERRNO } from '../../../lib/index.ts';
import type { Command } from './commands.ts';
import { fromHex, PACKET_SIZE, parseAddress, parseCount, toHex } from './packets.ts';

const ALLOCATION = 1;
const INVALID = `E${ERRNO.EINVAL.toString(16)}`;
const NO_TAGS = `E${ERRNO.EFAULT.toString(16).padStart(2, '0')}`;
const BYTES_PER_TAG = 16;
/** What a reply has room for. */
const MAX_BYTES = (PACKET_SIZE / 2 - 8) * BYTES_PER_TAG;

/** "start,length:type", then ":tags" in QMemTags. */
function parse(rest: string): { address: bigint; length: number; tags: string | undefined } | undefined {
  const [, start, size, type, tags] = /^([^,:]*),([^,:]*):([^,:]*)(?::(.*))?$/.exec(rest) ?? [];
  const address = parseAddress(start ?? '');
  const length = parseCount(size ?? '');
  if (address === undefined || length === undefined || length > MAX_BYTES) return undefined;
  return parseCount(type) === ALLOCATION ? { address, length, tags } : undefined;
}

export const TAG_COMMANDS: readonly Command[] = [
  {
    name: 'qMemTags:',
    run({ vcpu, machine }, rest) {
      if (!machine.debugger.hasMte) return '';
      const range = parse(rest);
      if (!range) return INVALID;
      const tags = vcpu.readTags(range.address, range.length);
      return tags ? `m${toHex(tags)}` : NO_TAGS;
    },
  },
  {
    name: 'QMemTags:',
    run({ vcpu, machine }, rest) {
      if (!machine.debugger.hasMte) return '';
      const range = parse(rest);
      const tags = fromHex(range?.tags ?? '');
      if (!range || !tags || tags.length === 0) return INVALID;
      return vcpu.writeTags(range.address, range.length, tags) ? 'OK' : NO_TAGS;
    },
  },
  {
    name: 'qIsAddressTagged:',
    run({ vcpu, machine }, rest) {
      if (!machine.debugger.hasMte) return '';
      const address = parseAddress(rest);
      if (address === undefined) return INVALID;
      return vcpu.isTagged(address) ? '01' : '00';
    },
  },
];
