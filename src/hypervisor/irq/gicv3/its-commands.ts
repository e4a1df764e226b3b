// What the commands of an ITS do (IHI0069 5.3): they map devices, events and collections, and through them act
// on LPIs. The mappings live here, where an MSI finds them without touching guest memory, and every change is
// also stored in the guest's tables. Queues and registers are its.ts's.

import type { MemoryPort } from '../../ledger/index.ts';
import {
  collectionEntry,
  deviceEntry,
  ENTRY_BYTES,
  ItsTable,
  storeEntry,
  translationEntry,
} from './its-tables.ts';
import type { Lpis } from './lpis.ts';

export const COMMAND_BYTES = 32;
/** DeviceIDs and EventIDs have 16 bits (GITS_TYPER). */
const ID_BITS = 16;
/**
 * A sane guest maps an LPI once, and there are 56 Ki of them. Without a limit a guest could map 2^32 events and
 * exhaust the host's memory.
 */
const MAX_EVENTS = 65536;

/** The command did what it says. */
export const DONE = 0;
/** A parameter is wrong: no effect, and the queue goes on, as is allowed where GITS_TYPER.SEIS is 0. */
export const IGNORED = 1;
/** Guest memory refused a table access: the queue stalls at this command. */
export const STALLED = 2;
export type CommandResult = 0 | 1 | 2;

/** Commands that look at all LPIs count as that many others when the queue's turn is measured. */
const ALL_LPIS_COST = 64;

const OPCODE = {
  MOVI: 0x01,
  INT: 0x03,
  CLEAR: 0x04,
  SYNC: 0x05,
  MAPD: 0x08,
  MAPC: 0x09,
  MAPTI: 0x0a,
  MAPI: 0x0b,
  INV: 0x0c,
  INVALL: 0x0d,
  MOVALL: 0x0e,
  DISCARD: 0x0f,
} as const;

interface Translation {
  readonly intid: number;
  icid: number;
}

interface Device {
  readonly itt: number;
  readonly eventBits: number;
  readonly events: Map<number, Translation>;
}

export interface ItsMappingsState {
  devices: { id: number; itt: number; eventBits: number; events: [number, number, number][] }[];
  collections: [number, number][];
}

export class ItsMappings {
  readonly deviceTable: ItsTable;
  readonly collectionTable: ItsTable;
  private readonly devices = new Map<number, Device>();
  /** ICID to vCPU. */
  private readonly collections = new Map<number, number>();
  private events = 0;
  private readonly vcpus: number;
  private readonly lpis: Lpis;
  private readonly memory: MemoryPort;

  constructor(vcpus: number, lpis: Lpis, memory: MemoryPort) {
    this.vcpus = vcpus;
    this.lpis = lpis;
    this.memory = memory;
    this.deviceTable = new ItsTable(1, memory);
    this.collectionTable = new ItsTable(4, memory);
  }

  reset(): void {
    for (const table of [this.deviceTable, this.collectionTable]) table.reset();
    this.forgetDevices();
    this.forgetCollections();
  }

  forgetDevices(): void {
    this.devices.clear();
    this.events = 0;
  }

  forgetCollections(): void {
    this.collections.clear();
  }

  /** An event arrives: its LPI becomes pending at its collection's vCPU. False where something is not mapped. */
  raise(deviceId: number, eventId: number): boolean {
    const translation = this.devices.get(deviceId)?.events.get(eventId);
    if (!translation) return false;
    const vcpu = this.collections.get(translation.icid);
    return vcpu !== undefined && this.lpis.pend(translation.intid, vcpu);
  }

  /** What a command costs of the queue's turn, in simple commands. */
  cost(command: DataView): number {
    const opcode = command.getUint8(0);
    return opcode === OPCODE.INVALL || opcode === OPCODE.MOVALL ? ALL_LPIS_COST : 1;
  }

  /** Performs one command of COMMAND_BYTES bytes. */
  execute(command: DataView): CommandResult {
    const word = (n: number) => command.getUint32(4 * n, true);
    const deviceId = word(1);
    const eventId = word(2);
    const icid = word(4) & 0xffff;
    switch (command.getUint8(0)) {
      case OPCODE.MAPD:
        return this.mapDevice(deviceId, (word(2) & 31) + 1, word(4), word(5));
      case OPCODE.MAPC:
        return this.mapCollection(icid, this.target(word(4), word(5)), word(5) >>> 31 === 1);
      case OPCODE.MAPTI:
        return this.mapEvent(deviceId, eventId, word(3), icid);
      case OPCODE.MAPI:
        return this.mapEvent(deviceId, eventId, eventId, icid);
      case OPCODE.MOVI:
        return this.moveEvent(deviceId, eventId, icid);
      case OPCODE.DISCARD:
        return this.discard(deviceId, eventId);
      case OPCODE.INT:
        return this.raise(deviceId, eventId) ? DONE : IGNORED;
      case OPCODE.CLEAR:
        return this.withMapped(deviceId, eventId, (intid) => this.lpis.clear(intid));
      case OPCODE.INV:
        return this.withMapped(deviceId, eventId, (intid) => this.lpis.invalidate(intid));
      case OPCODE.INVALL:
        if (!this.collections.has(icid)) return IGNORED;
        this.lpis.invalidateAll();
        return DONE;
      case OPCODE.MOVALL: {
        const [from, to] = [this.target(word(4), word(5)), this.target(word(6), word(7))];
        if (from >= this.vcpus || to >= this.vcpus) return IGNORED;
        if (from !== to) this.lpis.moveAll(from, to);
        return DONE;
      }
      case OPCODE.SYNC:
        // Every command has completed before the next is read.
        return DONE;
      default:
        return IGNORED;
    }
  }

  save(): ItsMappingsState {
    const devices = Array.from(this.devices, ([id, { itt, eventBits, events }]) => ({
      id,
      itt,
      eventBits,
      events: Array.from(events, ([event, { intid, icid }]): [number, number, number] => [
        event,
        intid,
        icid,
      ]),
    }));
    return { devices, collections: Array.from(this.collections) };
  }

  /** Whether every number is one that a guest could have brought about. */
  valid(state: ItsMappingsState): boolean {
    const isId = (n: number) => Number.isInteger(n) && n >= 0 && n < 2 ** ID_BITS;
    const devices = state.devices.every(
      ({ id, itt, eventBits, events }) =>
        isId(id) &&
        Number.isInteger(itt) &&
        itt >= 0 &&
        itt < 2 ** 52 &&
        isId(eventBits) &&
        events.every((event) => event.every(isId)),
    );
    return (
      devices && state.collections.every(([icid, vcpu]) => isId(icid) && isId(vcpu) && vcpu < this.vcpus)
    );
  }

  /** `state` is valid(). */
  restore(state: ItsMappingsState): void {
    this.forgetDevices();
    this.forgetCollections();
    for (const { id, itt, eventBits, events } of state.devices) {
      const map = new Map(events.map(([event, intid, icid]) => [event, { intid, icid }]));
      this.devices.set(id, { itt, eventBits, events: map });
      this.events += map.size;
    }
    for (const [icid, vcpu] of state.collections) this.collections.set(icid, vcpu);
  }

  /** Bits 50:16 of a doubleword; processor numbers, as GITS_TYPER.PTA is 0. */
  private target(low: number, high: number): number {
    return (high & 0x7ffff) * 65536 + (low >>> 16);
  }

  private mapDevice(id: number, eventBits: number, low: number, high: number): CommandResult {
    const valid = high >>> 31 === 1;
    if (valid && eventBits > ID_BITS) return IGNORED;
    const entry = id < 2 ** ID_BITS ? this.deviceTable.addressOf(id) : -1;
    if (entry < 0) return IGNORED;
    const itt = (high & 0xfffff) * 2 ** 32 + ((low & ~0xff) >>> 0);
    if (!storeEntry(this.memory, entry, valid ? deviceEntry(itt, eventBits) : 0n)) return STALLED;
    this.events -= this.devices.get(id)?.events.size ?? 0;
    this.devices.delete(id);
    if (valid) this.devices.set(id, { itt, eventBits, events: new Map() });
    return DONE;
  }

  private mapCollection(icid: number, vcpu: number, valid: boolean): CommandResult {
    const entry = this.collectionTable.addressOf(icid);
    if (entry < 0 || (valid && vcpu >= this.vcpus)) return IGNORED;
    if (!storeEntry(this.memory, entry, valid ? collectionEntry(vcpu, icid) : 0n)) return STALLED;
    if (valid) this.collections.set(icid, vcpu);
    else this.collections.delete(icid);
    return DONE;
  }

  /** An event that is mapped stays as it is: mapping it twice is UNPREDICTABLE, and KVM does the same. */
  private mapEvent(deviceId: number, eventId: number, intid: number, icid: number): CommandResult {
    const device = this.devices.get(deviceId);
    if (!device || eventId >= 2 ** device.eventBits || !this.lpis.isLpi(intid)) return IGNORED;
    if (device.events.has(eventId)) return DONE;
    if (this.events >= MAX_EVENTS || this.collectionTable.addressOf(icid) < 0) return IGNORED;
    const entry = translationEntry(intid, icid);
    if (!storeEntry(this.memory, device.itt + eventId * ENTRY_BYTES, entry)) return STALLED;
    device.events.set(eventId, { intid, icid });
    this.events++;
    this.lpis.invalidate(intid);
    return DONE;
  }

  private moveEvent(deviceId: number, eventId: number, icid: number): CommandResult {
    const device = this.devices.get(deviceId);
    const translation = device?.events.get(eventId);
    const vcpu = this.collections.get(icid);
    if (!device || !translation || vcpu === undefined) return IGNORED;
    if (!this.collections.has(translation.icid)) return IGNORED;
    const entry = translationEntry(translation.intid, icid);
    if (!storeEntry(this.memory, device.itt + eventId * ENTRY_BYTES, entry)) return STALLED;
    translation.icid = icid;
    this.lpis.move(translation.intid, vcpu);
    return DONE;
  }

  private discard(deviceId: number, eventId: number): CommandResult {
    const device = this.devices.get(deviceId);
    const translation = device?.events.get(eventId);
    if (!device || !translation) return IGNORED;
    if (!storeEntry(this.memory, device.itt + eventId * ENTRY_BYTES, 0n)) return STALLED;
    this.lpis.clear(translation.intid);
    device.events.delete(eventId);
    this.events--;
    return DONE;
  }

  /** For commands on an event whose collection must be mapped, too. */
  private withMapped(deviceId: number, eventId: number, act: (intid: number) => void): CommandResult {
    const translation = this.devices.get(deviceId)?.events.get(eventId);
    if (!translation || !this.collections.has(translation.icid)) return IGNORED;
    act(translation.intid);
    return DONE;
  }
}
