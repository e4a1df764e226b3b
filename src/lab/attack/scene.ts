// One attack's scene: a host with its VMM, a live guest under one mode, and everything an attacker can hold. The guest's
// memory: its program, ordinary RAM (anonymous memory of the VMM), a guest_memfd and a shared file; a secret of 32
// bytes in a page of RAM that belongs to nobody else.

import { EVERYTHING, type MemoryPort, PhysicalMemory, type Refusal, Vm } from '../../hypervisor/index.ts';
import { decide, ENTRY_PRESENT, entryFrame } from '../../hypervisor/ledger/index.ts';
import {
  type AddressSpace,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  GUEST_MEMFD_INIT_SHARED,
  GUEST_MEMFD_MMAP,
  type GuestMemfd,
  Host,
  HostKernel,
  MEM_GUEST_MEMFD,
} from '../../hypervisor/slots/index.ts';
import { explain } from '../../hypervisor/stage2/index.ts';
import {
  Errno,
  type ErrnoName,
  type FrameNumber,
  type Gpa,
  gpa,
  type Hva,
  hva,
  type Log,
  PAGE_SIZE,
} from '../../lib/index.ts';
import type { Attempt } from './attack.ts';
import { type Answer, describe, deviceOf, LiveGuest } from './guest.ts';
import {
  ALIAS,
  DISK,
  FILE_PAGES,
  IN_FILE,
  IN_MEMFD,
  RAM_PAGES,
  RINGS,
  SECOND,
  SECRET,
  SHARED,
  SPARE,
} from './layout.ts';
import type { Mode } from './modes.ts';

import { CODE, programPage } from './program.ts';
import { buildTables, enable } from './stage1.ts';

const FRAMES = 256;
/** The vCPUs of two VMs, and the interpreter's tables. */
const SYSTEM_BYTES = 16 << 20;
const SECRET_BYTES = 32;

const CPU_ON = 0xc400_0003n;

/** A file with memory of the guest in it, as its VMM holds it. */
interface OpenFile {
  /** Its first page once more. */
  map(): Hva;
  punch(): void;
}

export interface SceneOptions {
  /** Pieces of the ledger that are left out (model checker's mutants). */
  readonly mutants?: ReadonlySet<string>;
  /** Default true. */
  readonly mte?: boolean;
}

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export class Scene {
  readonly mode: Mode;
  readonly host: Host;
  readonly kernel: HostKernel;
  /** The VMM's process. */
  readonly space: AddressSpace;
  readonly vm: Vm;
  private readonly hasMte: boolean;
  readonly guest: LiveGuest;
  readonly memfd: GuestMemfd;
  readonly file: OpenFile;
  /** Why the secret's page could not be given a second address, ALIAS; undefined where it has one. */
  readonly aliasRefusal: string | undefined;
  /** What happened, for people. */
  readonly story: string[] = [];
  /** Warnings of the hypervisor and of devices. */
  readonly warnings: string[] = [];
  private readonly drawn: number[] = [];
  private secretFrom = 0;
  private readonly ramAt: Hva;
  readonly codeAt: Hva;

  constructor(mode: Mode, options: SceneOptions = {}) {
    this.mode = mode;
    this.hasMte = options.mte ?? true;
    const memory = new PhysicalMemory({ frames: FRAMES, systemBytes: SYSTEM_BYTES });
    this.host = new Host(memory, { pkvm: mode.pkvmHost });
    this.host.ledger.mutants = options.mutants ?? new Set();
    this.kernel = new HostKernel(this.host);
    this.space = this.host.createAddressSpace();
    this.vm = this.createVm(this.space, mode, (into) => this.draw(into));
    this.codeAt = this.loadProgram(this.vm, this.space, mode);
    this.ramAt = this.addMemory(1, SECRET, RAM_PAGES);
    this.aliasRefusal = this.addAlias();
    const bytes = FILE_PAGES * PAGE_SIZE;
    // Upstream's guest_memfd of an ordinary VM is shared with its VMM from the start; a realm's is until it has it.
    const isOpen = !mode.isProtected || mode.inFiles;
    this.memfd = this.vm.memory.createGuestMemfd(
      bytes,
      GUEST_MEMFD_MMAP | (isOpen ? GUEST_MEMFD_INIT_SHARED : 0),
    );
    this.addFile(2, IN_MEMFD, this.memfd);
    this.file = this.addSharedFile(bytes);
    this.guest = new LiveGuest(this.vm);
    this.start();
  }

  /** Memory that the VMM has mapped where the result says: its own, or a file's. */
  private addMemory(slot: number, at: Gpa, pages: number): Hva {
    const { vm, space, mode } = this;
    const size = pages * PAGE_SIZE;
    if (mode.inFiles) {
      const memfd = vm.memory.createGuestMemfd(size, GUEST_MEMFD_MMAP | GUEST_MEMFD_INIT_SHARED);
      this.addFile(slot, at, memfd);
      return space.mmapMemfd(memfd, 0, size);
    }
    const from = space.mmapAnonymous(size);
    vm.memory.setUserMemoryRegion({ slot, flags: 0, gpa: at, size, hva: from });
    return from;
  }

  private addFile(slot: number, at: Gpa, memfd: GuestMemfd): void {
    const size = memfd.pages * PAGE_SIZE;
    const region = { slot, flags: MEM_GUEST_MEMFD, gpa: at, size, hva: 0, memfd, offset: 0 };
    this.vm.memory.setUserMemoryRegion2(region);
    if (this.mode.inFiles) this.vm.initRipas(at, size);
  }

  /** Memory at IN_FILE that can be mapped and punched from outside. */
  private addSharedFile(bytes: number): OpenFile {
    const { vm, space, host, mode } = this;
    if (mode.inFiles) {
      const memfd = vm.memory.createGuestMemfd(bytes, GUEST_MEMFD_MMAP | GUEST_MEMFD_INIT_SHARED);
      this.addFile(3, IN_FILE, memfd);
      return {
        map: () => space.mmapMemfd(memfd, 0, PAGE_SIZE),
        punch: () => memfd.fallocate(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, 0, PAGE_SIZE),
      };
    }
    const file = host.createSharedFile(bytes);
    const region = { slot: 3, flags: 0, gpa: IN_FILE, size: bytes, hva: space.mmapFile(file, 0, bytes) };
    vm.memory.setUserMemoryRegion(region);
    return { map: () => space.mmapFile(file, 0, PAGE_SIZE), punch: () => file.punchHole(0, 1) };
  }

  /** Gives the secret's page a second address, or says why not: a page of a guest_memfd has one. */
  private addAlias(): string | undefined {
    const region = { slot: 4, flags: 0, gpa: ALIAS, size: PAGE_SIZE, hva: this.ramAt };
    try {
      this.vm.memory.setUserMemoryRegion(region);
      return undefined;
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      return error.message;
    }
  }

  /** A VM of the mode's kind; `random` is its CPUs' random source. */
  createVm(space: AddressSpace, mode: Mode, random: (into: Uint8Array) => boolean): Vm {
    return new Vm(this.host, space, {
      vcpus: 3,
      gic: 3,
      engine: 'interpreter',
      extensions: EVERYTHING,
      clock: { now: () => 0, virtual: true },
      random,
      log: this.log,
      features: { mte: this.hasMte },
      ...mode.vm,
    });
  }

  readonly log: Log = (level, source, message) => {
    if (level === 'warn') this.warnings.push(`${source}: ${message}`);
  };

  /** Puts the program at CODE, where the VMM has it at the address returned. */
  loadProgram(vm: Vm, space: AddressSpace, mode: Mode): Hva {
    if (mode.inFiles) {
      const at = this.addMemory(0, CODE, 1);
      space.port.write(at, programPage());
      vm.populate(CODE, PAGE_SIZE);
      return at;
    }
    const at = space.mmapAnonymous(PAGE_SIZE);
    space.port.write(at, programPage());
    vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: CODE, size: PAGE_SIZE, hva: at });
    if (mode.isProtected) vm.donate(CODE, PAGE_SIZE);
    return at;
  }

  /** Bytes that do not occur by themselves. */
  private draw(into: Uint8Array): boolean {
    for (let n = 0; n < into.length; n++) {
      into[n] = 0x80 | ((this.drawn.length * 37 + 11) & 0x7f);
      this.drawn.push(into[n]);
    }
    return true;
  }

  /** The guest goes about its business before anybody attacks. */
  private start(): void {
    const { guest, mode } = this;
    guest.powerOn(mode);
    this.secretFrom = this.drawn.length;
    this.must(guest.call(0, 'keep', BigInt(SECRET)));
    mode.guard(guest, deviceOf(1));
    mode.guard(guest, DISK);
    for (const answer of buildTables(guest, mode)) this.must(answer);
    for (const page of [SHARED, RINGS, gpa(RINGS + PAGE_SIZE)]) {
      if (!mode.share(guest, page)) throw new Error('the guest cannot share its page');
      this.must(guest.call(0, 'store', mode.lent(page), 0n));
    }
    this.must(guest.call(0, 'store', BigInt(SPARE), 0x0123_4567_89ab_cdefn));
    this.must(enable(guest, 0));
    this.must(guest.call(0, mode.conduit, CPU_ON, 1n, BigInt(CODE), mode.lent(deviceOf(1))));
    this.must(enable(guest, 1));
    this.must(guest.call(1, 'keep', BigInt(SECOND)));
    this.must(guest.beat(0));
  }

  /** The bytes that the first vCPU drew. */
  get secret(): Uint8Array {
    return Uint8Array.from(this.drawn.slice(this.secretFrom, this.secretFrom + SECRET_BYTES));
  }

  /** Where the VMM maps a page of the guest's RAM. */
  at(page: Gpa): Hva {
    return hva(this.ramAt + page - SECRET);
  }

  /** Does what the guest does by itself, or the scene is broken. */
  must(answer: Answer): readonly bigint[] {
    if (answer.kind !== 'done') throw new Error(`the guest ${describe(answer)}`);
    return answer.x;
  }

  /** The guest puts its secret into another page, and watches that one from now on. */
  moveSecret(page: Gpa): void {
    this.must(this.guest.call(0, 'move', BigInt(page)));
    this.say(`the guest moves its secret to 0x${page.toString(16)}`);
  }

  say(line: string): void {
    this.story.push(line);
  }

  /** The way from a guest-physical page to its frame, and whose that is. */
  walk(page: Gpa): void {
    const { path, frame, owner, hostState, guestState } = explain(this.vm.memory, page);
    const whose = frame === undefined ? 'no frame' : `frame ${frame} of ${owner}; the host has ${hostState}`;
    this.say(`${path.join(' -> ')}: ${whose}, the guest ${guestState}`);
  }

  /** The frame that stands at a page in the guest's stage 2. */
  frameAt(page: Gpa): FrameNumber {
    const entry = this.vm.memory.guest.table.get(page / PAGE_SIZE);
    if ((entry & ENTRY_PRESENT) === 0) throw new Error(`nothing stands at 0x${page.toString(16)}`);
    return entryFrame(entry);
  }

  /** Does something to a page behind the guest's back: 'frozen' where the same frame stands there afterwards. */
  disturb(page: Gpa, what: string, act: () => void): Attempt {
    const before = this.frameAt(page);
    act();
    this.say(what);
    this.walk(page);
    const { memory } = this.vm;
    const entry = memory.guest.table.get(page / PAGE_SIZE);
    if ((entry & ENTRY_PRESENT) !== 0 && entryFrame(entry) === before) return { rule: 'frozen' };
    // Another page, or none: what does the guest find there?
    const vcpu = { kind: 'vcpu', vm: memory.guest.handle } as const;
    const verdict = decide(
      this.host.ledger.frames,
      vcpu,
      'read',
      memory.mapper.route(page / PAGE_SIZE, true),
    );
    return verdict.allowed ? {} : { rule: verdict.rule };
  }

  /** Reads through somebody's port: the bytes, or the rule that refused. */
  read(who: string, port: MemoryPort, address: number, length = SECRET_BYTES): Attempt {
    const bytes = new Uint8Array(length);
    const refusal = port.read(address, bytes);
    if (refusal) return this.refused(`${who} reads 0x${address.toString(16)}`, refusal);
    this.say(`${who} reads 0x${address.toString(16)}: ${toHex(bytes.subarray(0, SECRET_BYTES))}`);
    return { seen: bytes };
  }

  /** Writes through somebody's port: nothing, or the rule that refused. */
  write(who: string, port: MemoryPort, address: number, bytes: Uint8Array): { readonly rule?: string } {
    const refusal = port.write(address, bytes);
    if (refusal) return this.refused(`${who} writes to 0x${address.toString(16)}`, refusal);
    this.say(`${who} writes ${toHex(bytes.subarray(0, SECRET_BYTES))} to 0x${address.toString(16)}`);
    return {};
  }

  refused(what: string, refusal: Refusal): { readonly rule: string } {
    this.say(`${what}: refused by ${refusal.rule}: ${refusal.reason}`);
    return { rule: refusal.rule };
  }

  /** Makes a call of the API; the rule where it fails with one of these errors, undefined where it succeeds. */
  denied(
    what: string,
    call: () => void,
    errors: Partial<Record<ErrnoName, string>>,
  ): { readonly rule: string } | undefined {
    try {
      call();
    } catch (error) {
      const rule = error instanceof Errno ? errors[error.code] : undefined;
      if (!(error instanceof Errno) || rule === undefined) throw error;
      this.say(`${what}: ${error.message}`);
      return { rule };
    }
    this.say(`${what}: done`);
    return undefined;
  }

  /** Runs a routine as the guest's own step of an attack. */
  guestDoes(what: string, answer: Answer): Answer {
    this.say(`the guest ${what}: ${describe(answer)}`);
    return answer;
  }

  dispose(): void {
    this.vm.dispose();
    this.space.destroy();
  }
}
