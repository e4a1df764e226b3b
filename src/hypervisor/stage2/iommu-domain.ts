// A domain of the host's IOMMU: the I/O virtual addresses of one or more assigned devices, mapped to frames by GPA,
// by HVA, or by file and offset without any mapping of the VMM's. What is mapped is pinned, and a map never outlives
// the page that it was made from: conversion, hole punching and the end of a mapping unmap it, or are refused first.

import { Errno, type FrameNumber, frameNumber, PAGE_SIZE } from '../../lib/index.ts';
import {
  type Actor,
  type Auditor,
  allowedFrame,
  decide,
  FRAME_VIEWED,
  HOST,
  type Ledger,
  NONE,
  type Owner,
  PageTable,
  type Pinner,
  pin,
  present,
  type Report,
  Route,
  unpin,
  View,
} from '../ledger/index.ts';
import type { AddressSpace, GuestMemfd, Host } from '../slots/index.ts';
import type { VmMemory } from './vm-memory.ts';

/** What to do when a mapped page is to be converted. */
export type ConversionPolicy = 'refuse' | 'unmap';

/** Where mapped pages come from: how to walk to the n-th, and whom to tell that a device wrote it. */
interface Source {
  readonly owner: Owner;
  route(n: number): Route;
  wrote(n: number): void;
  isUnlogged(n: number): boolean;
}

interface DmaMap {
  readonly first: number;
  readonly pages: number;
  readonly writable: boolean;
  readonly source: Source;
}

/** Bits of an entry besides frame + 1 in 20:0. */
const WRITABLE = 1 << 21;
const FRAME_MASK = 0x1f_ffff;
const END_PAGE = 2 ** 40;

export class IommuDomain implements Pinner, Auditor {
  readonly ledger: Ledger;
  private readonly policy: ConversionPolicy;
  private readonly table = new PageTable();
  private maps: DmaMap[] = [];
  private readonly ports = new Set<DomainPort>();

  constructor(host: Host, policy: ConversionPolicy = 'refuse') {
    this.ledger = host.ledger;
    this.policy = policy;
    this.ledger.pinners.add(this);
    this.ledger.auditors.add(this);
  }

  // -------------------------------------------------------------- mapping

  /** Maps guest-physical addresses. Throws EINVAL, EEXIST, EFAULT (no memory there), EPERM (private). */
  mapGpa(iova: number, memory: VmMemory, gpa: number, bytes: number, writable: boolean): void {
    const first = pageOf(gpa, 'guest-physical address');
    this.map(iova, bytes, writable, {
      owner: memory.guest.handle,
      route: (n) => memory.mapper.route(first + n, false),
      wrote: (n) => memory.deviceWrote(first + n),
      isUnlogged: (n) => memory.extensions.logForeignWrites && memory.isUnloggedGfn(first + n),
    });
  }

  /** Maps a process's memory, as VFIO does. */
  mapHva(iova: number, space: AddressSpace, hva: number, bytes: number, writable: boolean): void {
    const first = pageOf(hva, 'host-virtual address');
    this.map(iova, bytes, writable, {
      owner: HOST,
      route: (n) => space.route(first + n),
      wrote: (n) => space.reportWrite(first + n),
      isUnlogged: (n) => space.isUnloggedWrite(first + n),
    });
  }

  /** Maps pages of a file that no process need have mapped. */
  mapMemfd(iova: number, memfd: GuestMemfd, offset: number, bytes: number, writable: boolean): void {
    const first = pageOf(offset, "file's offset");
    if (!memfd.isOpen) throw new Errno('EBADF', 'the guest_memfd is closed');
    const { client } = memfd;
    const logs = client.extensions.logForeignWrites;
    this.map(iova, bytes, writable, {
      owner: client.guest.handle,
      route: (n) => memfd.route(first + n),
      wrote: (n) => {
        if (logs) client.markDirty(memfd.gfnOf(first + n));
      },
      isUnlogged: (n) => logs && client.isUnloggedGfn(memfd.gfnOf(first + n)),
    });
  }

  private map(iova: number, bytes: number, writable: boolean, source: Source): void {
    const first = pageOf(iova, 'I/O virtual address');
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % PAGE_SIZE) {
      throw new Errno('EINVAL', 'a map has a positive number of whole pages');
    }
    const pages = bytes / PAGE_SIZE;
    if (first + pages > END_PAGE) throw new Errno('EINVAL', 'the map ends beyond the address space');
    if (this.maps.some((map) => map.first < first + pages && first < map.first + map.pages)) {
      throw new Errno('EEXIST', 'the addresses are mapped already');
    }
    const map = { first, pages, writable, source };
    this.maps.push(map);
    for (let n = 0; n < pages; n++) {
      try {
        this.mapPage(map, n);
      } catch (error) {
        this.remove(map);
        throw error;
      }
    }
  }

  private mapPage({ first, writable, source }: DmaMap, n: number): void {
    const { ledger } = this;
    const { frames } = ledger;
    const route = source.route(n);
    const actor: Actor = { kind: 'assigned-device', vm: source.owner };
    const verdict = decide(frames, actor, writable ? 'dma' : 'map', route);
    if (!verdict.allowed) throw new Errno(verdict.rule === 'sealed' ? 'EPERM' : 'EFAULT', verdict.reason);
    const frame = present(ledger, route, true);
    ledger.run(pin, { frames, frame });
    this.table.set(first + n, (frame + 1) | (writable ? WRITABLE : 0));
  }

  /** Removes the maps that lie within a range. Throws EINVAL for a range that would cut one. */
  unmap(iova: number, bytes: number): void {
    const first = pageOf(iova, 'I/O virtual address');
    const end = first + Math.ceil(bytes / PAGE_SIZE);
    const touched = this.maps.filter((map) => map.first < end && first < map.first + map.pages);
    if (touched.some((map) => map.first < first || map.first + map.pages > end)) {
      throw new Errno('EINVAL', 'the range cuts a map in two');
    }
    for (const map of touched) this.remove(map);
  }

  private remove(map: DmaMap): void {
    this.maps = this.maps.filter((other) => other !== map);
    this.table.forEach(map.first, map.first + map.pages, (page) => this.dropPage(page));
  }

  private dropPage(page: number): void {
    const { ledger } = this;
    const { frames } = ledger;
    const frame = frameAt(this.table.get(page));
    this.table.set(page, 0);
    frames.flags[frame] |= FRAME_VIEWED;
    ledger.caches.dropFromViews(frame);
    ledger.run(unpin, { frames, frame });
    ledger.releaseIfUnused(frame);
  }

  // -------------------------------------------------------------- when pages change

  withdraw(frame: FrameNumber, urgency: 'if-willing' | 'always'): void {
    if (urgency === 'if-willing' && this.policy === 'refuse') return;
    const pages: number[] = [];
    this.table.each((page, entry) => {
      if (frameAt(entry) === frame) pages.push(page);
    });
    for (const page of pages) this.dropPage(page);
  }

  eachPin(visit: (frame: FrameNumber) => void): void {
    this.table.each((_, entry) => visit(frameAt(entry)));
  }

  revalidate(): void {
    this.eachStale((page) => this.dropPage(page));
  }

  /** A map leads where the way that it was made from leads now. */
  audit(report: Report): void {
    this.eachStale((page, frame) => report('contained', `IOVA page ${page} still leads to frame ${frame}`));
  }

  private eachStale(visit: (page: number, frame: FrameNumber) => void): void {
    for (const map of this.maps) {
      const actor: Actor = { kind: 'assigned-device', vm: map.source.owner };
      this.table.forEach(map.first, map.first + map.pages, (page, entry) => {
        const route = map.source.route(page - map.first);
        const now = allowedFrame(this.ledger.frames, actor, map.writable ? 'dma' : 'map', route);
        if (now !== frameAt(entry)) visit(page, frameAt(entry));
      });
    }
  }

  // -------------------------------------------------------------- access

  /** DMA of a device that is attached to the domain, by I/O virtual address. */
  port(requesterId: number): DomainPort {
    const port = new DomainPort(this.ledger, this, requesterId);
    this.ports.add(port);
    return port;
  }

  /** The way from a page of I/O virtual addresses. */
  route(page: number): Route {
    const route = new Route('iova', page);
    const entry = this.table.get(page);
    if (entry === 0) {
      route.hole = 'no-iommu-map';
      return route;
    }
    route.frame = frameAt(entry);
    route.writable = (entry & WRITABLE) !== 0;
    return route;
  }

  ownerOf(page: number): Owner {
    return this.mapOf(page)?.source.owner ?? HOST;
  }

  wrote(page: number): void {
    const map = this.mapOf(page);
    map?.source.wrote(page - map.first);
  }

  isUnlogged(page: number): boolean {
    const map = this.mapOf(page);
    return map?.source.isUnlogged(page - map.first) ?? false;
  }

  private mapOf(page: number): DmaMap | undefined {
    return this.maps.find((map) => page >= map.first && page < map.first + map.pages);
  }

  /** Unmaps all; the domain's ports refuse from here on. */
  dispose(): void {
    for (const map of [...this.maps]) this.remove(map);
    for (const port of this.ports) port.close();
    this.ledger.pinners.delete(this);
    this.ledger.auditors.delete(this);
  }
}

const frameAt = (entry: number): FrameNumber => frameNumber((entry & FRAME_MASK) - 1);

function pageOf(address: number, what: string): number {
  if (!Number.isSafeInteger(address) || address < 0 || address % PAGE_SIZE) {
    throw new Errno('EINVAL', `the ${what} is not page-aligned`);
  }
  return address / PAGE_SIZE;
}

export class DomainPort extends View {
  private readonly domain: IommuDomain;
  private readonly requesterId: number;

  constructor(ledger: Ledger, domain: IommuDomain, requesterId: number) {
    super(ledger);
    this.domain = domain;
    this.requesterId = requesterId;
  }

  get label(): string {
    return `assigned device ${this.requesterId}`;
  }

  private actor(page: number): Actor {
    return { kind: 'assigned-device', vm: this.domain.ownerOf(page), id: this.requesterId };
  }

  protected lookup(page: number, write: boolean): number {
    return allowedFrame(
      this.ledger.frames,
      this.actor(page),
      write ? 'write' : 'read',
      this.domain.route(page),
    );
  }

  protected mustAskForWrites(page: number): boolean {
    return this.domain.isUnlogged(page);
  }

  protected resolve(page: number, write: boolean): number {
    const route = this.domain.route(page);
    const verdict = decide(this.ledger.frames, this.actor(page), write ? 'write' : 'read', route);
    if (!verdict.allowed) {
      const rule = route.hole === undefined ? verdict.rule : 'contained';
      this.refusal = { rule, reason: verdict.reason, address: page * PAGE_SIZE };
      return NONE;
    }
    if (write) this.domain.wrote(page);
    return route.frame;
  }
}
