// The designs: how a VMM maps a guest's memory, and what that means for its accesses. With PROT_MTE the CPU holds each
// access of the VMM's threads against the allocation tags, in the threads' own mode (FACTS A, VMM access).

import type { Vm } from '../../hypervisor/index.ts';
import {
  type Actor,
  decide,
  HOST,
  type MemoryPort,
  type Refusal,
  RULES,
  type Rule,
} from '../../hypervisor/ledger/index.ts';
import { COPY_TAGS_FROM_GUEST, TAGS_PER_PAGE } from '../../hypervisor/mte/index.ts';
import type { AddressSpace } from '../../hypervisor/slots/index.ts';
import { type Hva, PAGE_SIZE, TAG_GRANULE } from '../../lib/index.ts';

export interface Design {
  readonly name: string;
  readonly says: string;
  /** PROT_MTE. */
  readonly tagged: boolean;
  /** TCF of the VMM's threads, for a tagged mapping. */
  readonly mode: 'none' | 'sync' | 'async';
  /** What the VMM does about the tags before it touches memory. */
  readonly before: 'nothing' | 'retag' | 'ask';
}

export const DESIGNS: readonly Design[] = [
  {
    name: 'untagged mapping',
    says: 'accepted: the VMM maps memory without PROT_MTE; tags move by the copy call only',
    tagged: false,
    mode: 'none',
    before: 'nothing',
  },
  {
    name: 'PROT_MTE, sync',
    says: 'the VMM maps memory with PROT_MTE and runs with synchronous checks',
    tagged: true,
    mode: 'sync',
    before: 'nothing',
  },
  {
    name: 'PROT_MTE, async',
    says: 'the same with asynchronous checks',
    tagged: true,
    mode: 'async',
    before: 'nothing',
  },
  {
    name: 'PROT_MTE, retag',
    says: 'the VMM gives memory its own tag (STG) before each access',
    tagged: true,
    mode: 'sync',
    before: 'retag',
  },
  {
    name: 'PROT_MTE, ask',
    says: "the VMM reads each granule's tag (LDG) and puts it into its pointer",
    tagged: true,
    mode: 'sync',
    before: 'ask',
  },
];

/** What the accesses of a VMM came to. */
export interface Traffic {
  accesses: number;
  /** SIGSEGV with SEGV_MTESERR or SEGV_MTEAERR. */
  faults: number;
  /** Allocation tags that checks and LDG read, and that STG wrote: granules. */
  tagsRead: number;
  tagsWritten: number;
}

const VMM: Actor = { kind: 'vmm', vm: HOST };
/** mmap() gives pointers without a tag. */
const POINTER_TAG = 0;

/** Guest-physical memory through the VMM's own mapping of it, which starts at `base` for address `start`. */
export class MappedPort implements MemoryPort {
  readonly traffic: Traffic = { accesses: 0, faults: 0, tagsRead: 0, tagsWritten: 0 };
  private readonly vm: Vm;
  private readonly space: AddressSpace;
  private readonly design: Design;
  private readonly base: Hva;
  private readonly start: number;

  constructor(vm: Vm, space: AddressSpace, design: Design, base: Hva, start: number) {
    this.vm = vm;
    this.space = space;
    this.design = design;
    this.base = base;
    this.start = start;
  }

  read(address: number, into: Uint8Array): Refusal | undefined {
    return this.checked(address, into.length, 'read') ?? this.space.port.read(this.hva(address), into);
  }
  write(address: number, from: Uint8Array): Refusal | undefined {
    return this.checked(address, from.length, 'write') ?? this.space.port.write(this.hva(address), from);
  }

  private hva(address: number): number {
    return this.base + address - this.start;
  }

  /** The fault that stops an access, if one does. */
  private checked(address: number, bytes: number, operation: 'read' | 'write'): Refusal | undefined {
    const { design, traffic } = this;
    traffic.accesses++;
    if (!design.tagged) return undefined;
    const first = Math.floor(address / TAG_GRANULE) * TAG_GRANULE;
    let fault: Refusal | undefined;
    for (let at = first; at < address + bytes; at += TAG_GRANULE) {
      if (design.before === 'retag') this.setTag(at, POINTER_TAG);
      const allocation = this.tagAt(at);
      const pointer = design.before === 'ask' ? allocation : POINTER_TAG;
      // The check, and before it LDG.
      traffic.tagsRead += design.before === 'ask' ? 2 : 1;
      fault ??= this.judge(at, operation, pointer, allocation);
      if (fault && design.mode === 'sync') break;
    }
    if (fault) traffic.faults++;
    return design.mode === 'sync' ? fault : undefined;
  }

  /** Asks the ledger, with the rule that a tagged mapping adds to it. */
  private judge(
    address: number,
    operation: 'read' | 'write',
    pointer: number,
    allocation: number,
  ): Refusal | undefined {
    const rule: Rule = {
      id: 'tag-check',
      says: `a pointer with tag ${pointer} reaches no memory with tag ${allocation} through PROT_MTE`,
      source: 'FACTS A, VMM access',
      judge: () => (pointer === allocation ? undefined : false),
    };
    const at = this.hva(address);
    const route = this.space.route(Math.floor(at / PAGE_SIZE));
    const verdict = decide(this.vm.memory.ledger.frames, VMM, operation, route, false, [rule, ...RULES]);
    if (verdict.allowed) return undefined;
    return { rule: verdict.rule, reason: verdict.reason, address, signal: 'SIGSEGV' };
  }

  private tagAt(address: number): number {
    return this.tagsOf(address)[(address % PAGE_SIZE) / TAG_GRANULE] as number;
  }

  private tagsOf(address: number): Uint8Array {
    const tags = new Uint8Array(TAGS_PER_PAGE);
    const ipa = address - (address % PAGE_SIZE);
    this.vm.memory.copyTags({ ipa, length: PAGE_SIZE, flags: COPY_TAGS_FROM_GUEST, tags });
    return tags;
  }

  /** What STG through the mapping does. */
  private setTag(address: number, tag: number): void {
    const tags = this.tagsOf(address);
    tags[(address % PAGE_SIZE) / TAG_GRANULE] = tag;
    this.vm.memory.copyTags({ ipa: address - (address % PAGE_SIZE), length: PAGE_SIZE, flags: 0, tags });
    this.traffic.tagsWritten++;
  }
}
