// Performs the calls of a recording on Ringfence's own memory API and says what each came to, in the recording's
// own words. One object is one process with one VM at a time; a `vm` line starts anew.

import { type AddressSpace, type GuestMemfd, Host, MEM_GUEST_MEMFD } from '../../hypervisor/slots/index.ts';
import {
  checkMemoryExtension,
  KVM_CAP_ARM_MTE,
  KVM_CAP_ARM_VM_IPA_SIZE,
  KVM_CAP_DIRTY_LOG_RING,
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_GUEST_MEMFD,
  KVM_CAP_GUEST_MEMFD_FLAGS,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
  KVM_CAP_MEMORY_ATTRIBUTES,
  KVM_CAP_NR_MEMSLOTS,
  VmMemory,
} from '../../hypervisor/stage2/index.ts';
import { ERRNO, Errno, type Hva, hva, PAGE_SIZE } from '../../lib/index.ts';
import { CODE, codePage, type GuestRunner, type MakeGuestRunner, type Runners } from './guest-runner.ts';
import type { AnswerFields, Player } from './player.ts';
import {
  ANSWER_FIELDS,
  type Answer,
  ASKED_FIELDS,
  type Call,
  type CapMteLine,
  type ClearDirtyLine,
  type CloseLine,
  type DirtyLogLine,
  type DontneedLine,
  type FallocLine,
  type FdMmapLine,
  fromHex,
  type GuestLine,
  type MemfdLine,
  type RawLine,
  type RegionLine,
  type TagsLine,
  toHex,
  type VmLine,
  type VmmLine,
} from './recording.ts';

/** Frames of the host; a sequence uses a hundred or so. */
const FRAMES = 2048;
const ARENA_PAGES = 64;
const CODE_SLOT = 100;
const SIGBUS = 7;
const SIGSEGV = 11;
/** Files that the recorder kept; a further one was closed at once. */
const MAX_FILES = 6;
const COPY_BUFFER_LIMIT = 1 << 20;

/** What a system call returns: what `call` returns, or a negative errno. */
function result(call: () => number | undefined): number {
  try {
    return call() ?? 0;
  } catch (error) {
    if (error instanceof Errno) return -ERRNO[error.code];
    throw error;
  }
}

const word = (value: string | number | undefined): bigint =>
  value === undefined ? 0n : typeof value === 'number' ? BigInt(value) : fromHex(value);

export class Performer implements Player {
  readonly answerFields: AnswerFields = ANSWER_FIELDS;
  readonly askedFields = ASKED_FIELDS;
  readonly host: Host;
  private readonly makeRunner: MakeGuestRunner;
  private space: AddressSpace;
  /** Of the sequence that is being performed. */
  memory: VmMemory;
  private arena: Hva;
  private runner: GuestRunner | undefined;
  private files: GuestMemfd[] = [];

  constructor(runners: Runners) {
    const host = Host.create(FRAMES, { systemBytes: runners.systemBytes });
    this.host = host;
    this.makeRunner = runners.on(host);
    this.space = host.createAddressSpace();
    this.arena = this.space.mmapAnonymous(ARENA_PAGES * PAGE_SIZE);
    this.memory = new VmMemory(host, this.space);
  }

  /** The answer of ours to a call. */
  perform(raw: RawLine): Answer {
    const call = raw as Call;
    switch (call.op) {
      case 'caps':
        return this.caps();
      case 'vm':
        return this.vm(call);
      case 'memfd':
        return this.memfd(call);
      case 'region':
        return this.region(call);
      case 'dirtylog':
        return this.dirtyLog(call);
      case 'cleardirty':
        return this.clearDirty(call);
      case 'tags':
        return this.tags(call);
      case 'falloc':
        return this.falloc(call);
      case 'closefd':
        return this.closeFile(call);
      case 'fdmmap':
        return this.mapFile(call);
      case 'vmm':
        return this.vmm(call);
      case 'dontneed':
        return this.dontneed(call);
      case 'capmte':
        return this.capMte(call);
      case 'guest':
        return this.guest(call);
      case 'end':
        return {};
    }
  }

  /** Ends the process and its VM. */
  dispose(): void {
    this.memory.destroy();
    this.space.destroy();
  }

  private caps(): Answer {
    return {
      mte: checkMemoryExtension(KVM_CAP_ARM_MTE),
      gmem: checkMemoryExtension(KVM_CAP_GUEST_MEMFD),
      gmemflags: checkMemoryExtension(KVM_CAP_GUEST_MEMFD_FLAGS),
      attrs: checkMemoryExtension(KVM_CAP_MEMORY_ATTRIBUTES),
      slots: checkMemoryExtension(KVM_CAP_NR_MEMSLOTS),
      ipa: checkMemoryExtension(KVM_CAP_ARM_VM_IPA_SIZE),
      ring: checkMemoryExtension(KVM_CAP_DIRTY_LOG_RING),
      ringacq: checkMemoryExtension(KVM_CAP_DIRTY_LOG_RING_ACQ_REL),
      sync: checkMemoryExtension(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
    };
  }

  private vm(line: VmLine): Answer {
    this.dispose();
    const space = this.host.createAddressSpace();
    const memory = new VmMemory(this.host, space);
    this.space = space;
    this.memory = memory;
    this.arena = space.mmapAnonymous(ARENA_PAGES * PAGE_SIZE);
    this.files = [];
    this.runner = undefined;
    const answer: Record<string, unknown> = {};
    if (line.earlyvcpu !== undefined) {
      this.runner = this.makeRunner(memory);
      answer.earlyvcpu = 1;
    }
    if (line.mte !== undefined) answer.mte = result(() => memory.enableMte() as undefined);
    const { manual } = line;
    if (manual !== undefined) answer.manualr = result(() => memory.enableManualDirtyLog(manual) as undefined);
    const code = space.mmapAnonymous(PAGE_SIZE);
    space.port.write(code, codePage());
    answer.code = result(
      () =>
        memory.setUserMemoryRegion({
          slot: CODE_SLOT,
          flags: 0,
          gpa: CODE,
          size: PAGE_SIZE,
          hva: code,
        }) as undefined,
    );
    this.runner ??= this.makeRunner(memory);
    answer.vcpu = 1;
    return answer;
  }

  private memfd({ size, flags }: MemfdLine): Answer {
    return {
      r: result(() => {
        const file = this.memory.createGuestMemfd(fromHex(size), flags);
        if (this.files.length < MAX_FILES) {
          this.files.push(file);
          return 0;
        }
        file.close();
        return 1;
      }),
    };
  }

  private region(line: RegionLine): Answer {
    const region = {
      slot: line.slot,
      flags: line.flags,
      gpa: fromHex(line.gpa),
      size: fromHex(line.size),
      hva: BigInt(this.arena) + fromHex(line.arena),
    };
    return {
      r: result(() => {
        if (line.v === 1) return this.memory.setUserMemoryRegion(region) as undefined;
        const memfd = line.flags & MEM_GUEST_MEMFD ? this.files[line.fd] : undefined;
        return this.memory.setUserMemoryRegion2({ ...region, memfd, offset: fromHex(line.off) }) as undefined;
      }),
    };
  }

  private dirtyLog({ slot }: DirtyLogLine): Answer {
    let bits = 0n;
    const r = result(() => {
      const log = this.memory.getDirtyLog(slot);
      bits = new DataView(log.buffer).getBigUint64(0, true);
      return 0;
    });
    return { r, bits: toHex(bits) };
  }

  private clearDirty({ slot, first, num }: ClearDirtyLine): Answer {
    const ones = new Uint8Array(Math.min(Math.ceil(num / 8), COPY_BUFFER_LIMIT)).fill(0xff);
    return { r: result(() => this.memory.clearDirtyLog(slot, first, num, ones) as undefined) };
  }

  private tags(line: TagsLine): Answer {
    const length = fromHex(line.len);
    const fromGuest = line.flags === 1;
    const buffer = new Uint8Array(Math.min(Number(length / 16n), COPY_BUFFER_LIMIT)).fill(line.fill);
    const r = result(() =>
      this.memory.copyTags({
        ipa: fromHex(line.ipa),
        length,
        flags: line.flags,
        tags: buffer,
        reserved: [line.rsv, 0],
      }),
    );
    if (!fromGuest || r <= 0) return { r };
    let tags = '';
    for (let page = 0; page < r / PAGE_SIZE; page++) {
      for (const n of [0, 1, 254, 255]) tags += toHex(buffer[page * 256 + n]);
    }
    return { r, tags };
  }

  private falloc({ fd, mode, off, len }: FallocLine): Answer {
    return { r: result(() => this.file(fd).fallocate(mode, fromHex(off), fromHex(len)) as undefined) };
  }

  private closeFile({ fd }: CloseLine): Answer {
    // The recorder closed a number once; for a dead one it made no call and wrote 0.
    return { r: result(() => (this.file(fd).isOpen ? (this.file(fd).close() as undefined) : 0)) };
  }

  private file(fd: number): GuestMemfd {
    const file = this.files[fd];
    if (file === undefined) throw new Errno('EBADF', `file ${fd} was never opened`);
    return file;
  }

  private mapFile({ fd, shared, off, w }: FdMmapLine): Answer {
    let at = hva(0);
    const r = result(() => {
      at = this.space.mmapMemfd(this.file(fd), fromHex(off), PAGE_SIZE, shared !== 0);
      return 0;
    });
    if (r !== 0) return { r };
    const touched = this.touch(at, word(w));
    this.space.munmap(at, PAGE_SIZE);
    return { r, ...touched };
  }

  private vmm({ arena, w }: VmmLine): Answer {
    return this.touch(this.arena + Number(fromHex(arena)), word(w));
  }

  /** The VMM stores 8 bytes, where they are not 0, and loads them. */
  private touch(address: number, store: bigint): Answer {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, store, true);
    const refused =
      (store === 0n ? undefined : this.space.port.write(address, bytes)) ??
      this.space.port.read(address, bytes);
    if (refused) return { sig: refused.signal === 'SIGBUS' ? SIGBUS : SIGSEGV };
    return { v: toHex(view.getBigUint64(0, true)) };
  }

  private dontneed({ arena }: DontneedLine): Answer {
    const at = hva(this.arena + Number(fromHex(arena)));
    return { r: result(() => this.space.madviseDontneed(at, PAGE_SIZE) as undefined) };
  }

  private capMte({ flags }: CapMteLine): Answer {
    return { r: result(() => this.memory.enableMte(flags) as undefined) };
  }

  private guest({ gpa: address, val, w }: GuestLine): Answer {
    if (this.runner === undefined) throw new Error('a guest runs before its vCPU exists');
    const outcome = this.runner.run({
      address: BigInt.asUintN(64, fromHex(address)),
      write: w !== 0,
      value: fromHex(val),
    });
    switch (outcome.kind) {
      case 'ok':
        return { r: 'ok', v: toHex(outcome.value) };
      case 'abort':
        return { r: 'abort' };
      case 'endless':
        return { r: 'endless' };
      case 'mmio':
        return { r: 'mmio', gpa: toHex(outcome.address), w: outcome.write ? 1 : 0, len: outcome.bytes };
      case 'failed': {
        const { exit } = outcome;
        if (exit.reason === 'dirty-ring-full') return { r: 0, exit: 31 };
        const r = -ERRNO[exit.errno];
        if (exit.reason !== 'memory-fault') return { r, exit: 0 };
        return { r, fault: { gpa: toHex(exit.gpa), size: toHex(exit.size), flags: exit.flags } };
      }
    }
  }
}
