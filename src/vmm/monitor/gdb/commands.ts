// What a debugger may ask (GDB manual, E.2, E.4): one table. A command that is not here is answered with an empty
// packet, as the protocol wants; one with wrong parameters with an error.

import { ERRNO } from '../../../lib/index.ts';
import type { VcpuDebug } from '../../machine/index.ts';
import { HOST_IO_COMMANDS, PROCESS } from './host-io.ts';
import { MONITOR_COMMAND } from './monitor.ts';
import {
  escapeBinary,
  fromHex,
  PACKET_SIZE,
  parseAddress,
  parseCount,
  toHex,
  unescapeBinary,
} from './packets.ts';
import type { GdbMachine } from './session.ts';
import type { Action, Points } from './stops.ts';
import { TAG_COMMANDS } from './tags.ts';
import { readAll, readRegister, targetXml, writeAll, writeRegister } from './target.ts';

/** What a command works with. */
export interface CommandContext {
  readonly machine: GdbMachine;
  /** The one chosen with Hg. */
  readonly vcpu: VcpuDebug;
  readonly vcpus: readonly VcpuDebug[];
  readonly stoppedVcpu: number;
  readonly points: Points;
  readonly client: { swbreak: boolean; hwbreak: boolean; multiprocess: boolean };
  readonly chosen: { general: number; resume: number };
  acknowledges: boolean;
  resume(actions: readonly Action[]): void;
  stopReply(): string;
  detach(): void;
  arm(): void;
}

export interface Command {
  /** How its packets begin. */
  readonly name: string;
  readonly whileRunning?: boolean;
  /** `rest` is what follows the name. Undefined: no reply now. */
  run(session: CommandContext, rest: string): string | undefined;
}

const INVALID = `E${ERRNO.EINVAL.toString(16)}`;
const NO_MEMORY_THERE = `E${ERRNO.EFAULT.toString(16).padStart(2, '0')}`;
const REFUSED = `E${ERRNO.EPERM.toString(16).padStart(2, '0')}`;
const NO_ROOM = `E${ERRNO.ENOSPC.toString(16)}`;

/** Two hex digits a byte, and room for the framing. */
const MAX_BYTES = PACKET_SIZE / 2 - 8;

/** A thread id, with or without a process (E.2): 'all', 'any', a vCPU's index, or undefined where there is none. */
function parseThread(text: string, vcpus: number): number | 'all' | 'any' | undefined {
  const id = /^p[0-9a-f-]+\.(.+)$/i.exec(text)?.[1] ?? text;
  if (id === '-1') return 'all';
  const number = parseCount(id);
  if (number === undefined || number > vcpus) return undefined;
  return number === 0 ? 'any' : number - 1;
}

/** The thread id of a vCPU: with the process where the client knows of processes. */
export const threadId = (vcpu: number, { multiprocess }: CommandContext['client']): string =>
  `${multiprocess ? `p${PROCESS}.` : ''}${(vcpu + 1).toString(16)}`;

/** "addr,length", then ":" and data where a command has them. */
function parseRange(text: string): { address: bigint; length: number; data: string } | undefined {
  const colon = text.indexOf(':');
  const head = colon < 0 ? text : text.slice(0, colon);
  const [first, second, more] = head.split(',');
  const address = parseAddress(first);
  const length = parseCount(second ?? '');
  if (address === undefined || length === undefined || more !== undefined) return undefined;
  return { address, length, data: colon < 0 ? '' : text.slice(colon + 1) };
}

function readMemory({ vcpu }: CommandContext, rest: string): string {
  const range = parseRange(rest);
  if (!range) return INVALID;
  const bytes = new Uint8Array(Math.min(range.length, MAX_BYTES));
  const done = vcpu.readVirtual(range.address, bytes);
  if (typeof done !== 'number') return done.rule === 'unmapped' ? NO_MEMORY_THERE : REFUSED;
  return toHex(bytes.subarray(0, done));
}

function writeMemory({ vcpu }: CommandContext, rest: string, decode: typeof fromHex): string {
  const range = parseRange(rest);
  const bytes = range && decode(range.data);
  if (!range || bytes?.length !== range.length) return INVALID;
  const refusal = vcpu.writeVirtual(range.address, bytes);
  if (!refusal) return 'OK';
  return refusal.rule === 'unmapped' ? NO_MEMORY_THERE : REFUSED;
}

function changePoint(session: CommandContext, add: boolean, rest: string): string {
  const [type, address, length, ...more] = rest.split(';')[0].split(',').map(parseAddress);
  if (type === undefined || address === undefined || length === undefined || more.length > 0) return INVALID;
  if (add && !session.machine.debugger.isOpen) return REFUSED;
  const done = session.points.change(add, Number(type), address, Number(length));
  if (done === undefined) return '';
  if (!done) return NO_ROOM;
  session.arm();
  return 'OK';
}

/** c, s, C and S: one thread, or all of them. */
function resumeOne(
  session: CommandContext,
  action: 'continue' | 'step',
  address: string,
): string | undefined {
  const { vcpus, chosen } = session;
  if (address !== '') {
    const pc = parseAddress(address);
    if (pc === undefined) return INVALID;
    vcpus[chosen.resume].writeRegister('pc', pc);
  }
  if (action === 'step' && !session.machine.debugger.isOpen) return REFUSED;
  session.resume(vcpus.map((_, index) => (index === chosen.resume ? action : 'continue')));
  return undefined;
}

const ACTIONS: Readonly<Record<string, Action>> = { c: 'continue', C: 'continue', s: 'step', S: 'step' };

/** vCont;action[:thread]...: the first that names a thread counts; a thread that none names stays where it is. */
function resumeMany(session: CommandContext, rest: string): string | undefined {
  const count = session.vcpus.length;
  const wanted: (Action | undefined)[] = Array.from({ length: count });
  for (const part of rest.split(';')) {
    const [, letter, thread] = /^([cs]|[CS][0-9a-fA-F]{2})(?::(.+))?$/.exec(part) ?? [];
    const action = letter && ACTIONS[letter[0]];
    const which = thread === undefined ? 'all' : parseThread(thread, count);
    if (!action || which === undefined) return INVALID;
    if (action === 'step' && !session.machine.debugger.isOpen) return REFUSED;
    if (which === 'all') for (let n = 0; n < count; n++) wanted[n] ??= action;
    else wanted[which === 'any' ? session.stoppedVcpu : which] ??= action;
  }
  session.resume(wanted.map((action) => action ?? 'hold'));
  return undefined;
}

function chooseThread({ vcpus, chosen, stoppedVcpu }: CommandContext, rest: string): string {
  const thread = parseThread(rest.slice(1), vcpus.length);
  if (thread === undefined) return INVALID;
  const index = typeof thread === 'number' ? thread : stoppedVcpu;
  if (rest[0] === 'g') chosen.general = index;
  else if (rest[0] === 'c') chosen.resume = index;
  else return INVALID;
  return 'OK';
}

function supported({ client, machine }: CommandContext, rest: string): string {
  const theirs = rest.replace(/^:/, '').split(';');
  client.swbreak = theirs.includes('swbreak+');
  client.hwbreak = theirs.includes('hwbreak+');
  client.multiprocess = theirs.includes('multiprocess+');
  const ours = [
    `PacketSize=${PACKET_SIZE.toString(16)}`,
    'QStartNoAckMode+',
    'qXfer:features:read+',
    'vContSupported+',
    'swbreak+',
    'hwbreak+',
  ];
  // Only then does GDB take our thread numbers for those of a process, and look at its mappings.
  if (client.multiprocess) ours.push('multiprocess+');
  if (theirs.includes('memory-tagging+') && machine.debugger.hasMte) ours.push('memory-tagging+');
  return ours.join(';');
}

/** qXfer:features:read:target.xml:offset,length */
function readFeatures({ machine }: CommandContext, rest: string): string {
  const colon = rest.indexOf(':');
  const [offset, length] = rest
    .slice(colon + 1)
    .split(',')
    .map(parseCount);
  if (colon < 0 || offset === undefined || length === undefined) return INVALID;
  if (rest.slice(0, colon) !== 'target.xml') return 'E00';
  const xml = targetXml(machine.debugger.hasMte);
  const part = xml.slice(offset, offset + Math.min(length, PACKET_SIZE - 8));
  return `${offset + part.length >= xml.length ? 'l' : 'm'}${escapeBinary(part)}`;
}

function describeThread({ vcpus }: CommandContext, rest: string): string {
  const thread = parseThread(rest, vcpus.length);
  if (typeof thread !== 'number') return INVALID;
  const text = `CPU ${thread} [${vcpus[thread].poweredOn ? 'on' : 'off'}]`;
  return toHex(new TextEncoder().encode(text));
}

const end = (session: CommandContext): string => {
  session.machine.quit();
  return 'OK';
};

const detach = (session: CommandContext): string => {
  session.detach();
  return 'OK';
};

const COMMANDS: readonly Command[] = [
  { name: '?', run: (session) => session.stopReply() },
  { name: 'g', run: ({ vcpu, machine }) => readAll(vcpu, machine.debugger.isOpen) },
  { name: 'G', run: ({ vcpu }, rest) => (writeAll(vcpu, rest) ? 'OK' : INVALID) },
  {
    name: 'p',
    run: ({ vcpu, machine }, rest) =>
      readRegister(vcpu, machine.debugger.isOpen, parseCount(rest) ?? -1) ?? INVALID,
  },
  {
    name: 'P',
    run({ vcpu }, rest) {
      const [number, digits] = rest.split('=');
      return writeRegister(vcpu, parseCount(number) ?? -1, digits ?? '') ? 'OK' : INVALID;
    },
  },
  { name: 'm', run: readMemory },
  { name: 'M', run: (session, rest) => writeMemory(session, rest, fromHex) },
  { name: 'X', run: (session, rest) => writeMemory(session, rest, unescapeBinary) },
  { name: 'Z', run: (session, rest) => changePoint(session, true, rest) },
  { name: 'z', run: (session, rest) => changePoint(session, false, rest) },
  { name: 'c', run: (session, rest) => resumeOne(session, 'continue', rest) },
  { name: 's', run: (session, rest) => resumeOne(session, 'step', rest) },
  // A signal means nothing to a machine.
  { name: 'C', run: (session, rest) => resumeOne(session, 'continue', rest.split(';')[1] ?? '') },
  { name: 'S', run: (session, rest) => resumeOne(session, 'step', rest.split(';')[1] ?? '') },
  { name: 'vCont?', run: () => 'vCont;c;C;s;S' },
  { name: 'vCont;', run: resumeMany },
  { name: 'vMustReplyEmpty', run: () => '' },
  { name: 'vKill;', run: end, whileRunning: true },
  {
    name: 'k',
    whileRunning: true,
    run(session) {
      end(session);
      return undefined;
    },
  },
  { name: 'D', run: detach, whileRunning: true },
  { name: 'H', run: chooseThread },
  {
    name: 'T',
    run: ({ vcpus }, rest) => (typeof parseThread(rest, vcpus.length) === 'number' ? 'OK' : INVALID),
  },
  { name: 'qSupported', run: supported, whileRunning: true },
  {
    name: 'QStartNoAckMode',
    whileRunning: true,
    run(session) {
      session.acknowledges = false;
      return 'OK';
    },
  },
  { name: 'qXfer:features:read:', run: readFeatures },
  {
    name: 'qfThreadInfo',
    run: ({ vcpus, client }) => `m${vcpus.map((_, n) => threadId(n, client)).join(',')}`,
  },
  { name: 'qsThreadInfo', run: () => 'l' },
  { name: 'qThreadExtraInfo,', run: describeThread },
  { name: 'qAttached', run: () => '1', whileRunning: true },
  { name: 'qC', run: ({ chosen, client }) => `QC${threadId(chosen.general, client)}` },
  MONITOR_COMMAND,
  ...TAG_COMMANDS,
  ...HOST_IO_COMMANDS,
];

/** Names of more than a letter come first, so that 'qC' does not answer for 'qCRC'. */
const BY_LENGTH = [...COMMANDS].sort((one, other) => other.name.length - one.name.length);
/** They take parameters after a letter, or none; all others end here, or with a separator. */
const ENDS_NAME = /^$|^[:;,]/;

export function findCommand(payload: string): Command | undefined {
  return BY_LENGTH.find(({ name }) => {
    if (!payload.startsWith(name)) return false;
    return name.length === 1 || /[;:,]$/.test(name) || ENDS_NAME.test(payload.slice(name.length));
  });
}
