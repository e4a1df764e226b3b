// QMP's commands for core dumps (QEMU qapi/dump.json): the ELF format, by guest-physical address.

import { type Json, type QmpArguments, QmpError, type QmpMachine, type QmpTable } from '../qmp-commands.ts';
import { dumpCoreToFile } from './file.ts';
import type { AddressRange } from './notes.ts';

const refuse = (description: string): never => {
  throw new QmpError('GenericError', description);
};

function rangeOf({ begin, length }: QmpArguments): AddressRange | undefined {
  if (begin === undefined && length === undefined) return undefined;
  if (length === undefined) return refuse("Parameter 'length' is missing");
  if (begin === undefined) return refuse("Parameter 'begin' is missing");
  const range = { address: Number(begin), bytes: Number(length) };
  const end = range.address + range.bytes;
  if (
    !Number.isSafeInteger(range.address) ||
    range.address < 0 ||
    !Number.isSafeInteger(end) ||
    range.bytes <= 0
  )
    return refuse("Parameter 'length' expects a range of guest-physical memory");
  return range;
}

async function dump(machine: QmpMachine, args: QmpArguments): Promise<Json> {
  const { paging, protocol, detach, format = 'elf' } = args;
  if (format !== 'elf') return refuse(`${format} is not available now`);
  if (paging === true) return refuse('Obtaining memory mappings is unsupported on this CPU.');
  if (detach === true)
    return refuse("Parameter 'detach' is not supported: a dump is written before the reply");
  const [, path] = /^file:(.+)$/.exec(String(protocol)) ?? [];
  if (path === undefined) return refuse("Invalid parameter 'protocol': file:PATH is wanted");
  const range = rangeOf(args);
  const wasRunning = machine.state === 'running';
  if (wasRunning) await machine.pause();
  try {
    if (range && ![...machine.debugger.stretches()].some((s) => overlaps(s, range)))
      return refuse("Parameter 'begin' and 'length' name no memory of the guest");
    await dumpCoreToFile(machine.debugger, path, range ? { range } : {});
  } finally {
    if (wasRunning) machine.resume();
  }
  return {};
}

const overlaps = (a: AddressRange, b: AddressRange): boolean =>
  a.address < b.address + b.bytes && b.address < a.address + a.bytes;

export const DUMP_COMMANDS: QmpTable = {
  'dump-guest-memory': {
    arguments: {
      paging: { type: 'boolean' },
      protocol: { type: 'string' },
      detach: { type: 'boolean', optional: true },
      begin: { type: 'number', optional: true },
      length: { type: 'number', optional: true },
      format: { type: 'string', optional: true },
    },
    run: dump,
  },
  'query-dump-guest-memory-capability': { run: () => ({ formats: ['elf'] }) },
};
