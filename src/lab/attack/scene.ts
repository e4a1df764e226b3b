// One attack's scene: a host with its VMM, a live guest under one mode, and everything an attacker can hold. The guest's
// memory: its program, ordinary RAM (anonymous memory of the VMM), a guest_memfd and a shared file; a secret of 32
// bytes in a page of RAM that belongs to nobody else.

import { EVERYTHING, type MemoryPort, PhysicalMemory, type Refusal, Vm } from '../../hypervisor/index.ts';
import { ENTRY_PRESENT, entryFrame } from '../../hypervisor/ledger/index.ts';
import {
  type AddressSpace,
  GUEST_MEMFD_INIT_SHARED,
  GUEST_MEMFD_MMAP,
  type GuestMemfd,
  Host,
  HostKernel,
  MEM_GUEST_MEMFD,
  type SharedFile,
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
import type { Mode } from './modes.ts';
import { CODE, programPage } from './program.ts';

const RAM = 0x8000_0000;
const RAM_PAGES = 16;
const FILE_PAGES = 4;
/** An address at which nothing stands, and which the guest never announced. */
export const HOLE = gpa(0x2000_0000);
/** A device's window that the guest announces, for attacks that need one. */
export const DISK = gpa(0xa00_0000);

/** Pages of RAM by what the guest does with them. */
export const SECRET = gpa(RAM);
/** The second vCPU's own secret. */
export const SECOND = gpa(RAM + 0x1000);
/** Lent to the host. */
export const SHARED = gpa(RAM + 0x2000);
const TABLES = gpa(RAM + 0x3000);
/** Written by the guest, and otherwise idle. */
export const SPARE = gpa(RAM + 0x4000);
/** Never touched. */
export const FRESH = gpa(RAM + 0x5000);
/** Lent to the host: rings and buffers of the disk, two pages. */
export const RINGS = gpa(RAM + 0x6000);
/** A second address at which the VMM put the secret's page before the guest ran. */
export const ALIAS = gpa(0xc000_0000);
/** Never touched: a guest_memfd, and a shared file that the VMM maps at `sharedFileAt`. */
export const IN_MEMFD = gpa(0x9000_0000);
export const IN_FILE = gpa(0xa000_0000);

const FRAMES = 256;
/** The vCPUs of two VMs, and the interpreter's tables. */
const SYSTEM_BYTES = 4 << 20;
const SECRET_BYTES = 32;

/** Stage 1: identity in blocks of 1 GiB from one table; the first is devices, the others tagged memory. */
const TCR = 25n | (1n << 8n) | (1n << 10n) | (3n << 12n) | (1n << 23n) | (2n << 32n) | (1n << 37n);
const MAIR = 0xf000n;
const DEVICE_BLOCK = 0x401n | (3n << 53n);
const MEMORY_BLOCK = 0x701n | (1n << 2n);
/** SCTLR_EL1: ATA, I, C, M. */
const SCTLR = (1n << 43n) | (1n << 12n) | (1n << 2n) | 1n;
const CPU_ON = 0xc400_0003n;

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
  readonly file: SharedFile;
  /** What happened, for people. */
  readonly story: string[] = [];
  /** Warnings of the hypervisor and of devices. */
  readonly warnings: string[] = [];
  private readonly drawn: number[] = [];
  private readonly ramAt: Hva;
  readonly codeAt: Hva;
  readonly fileAt: Hva;

  constructor(mode: Mode, options: SceneOptions = {}) {
    this.mode = mode;
    this.hasMte = options.mte ?? true;
    const memory = new PhysicalMemory({ frames: FRAMES, systemBytes: SYSTEM_BYTES });
    this.host = new Host(memory, { pkvm: mode.pkvmHost });
    this.host.ledger.mutants = options.mutants ?? new Set();
    this.kernel = new HostKernel(this.host);
    this.space = this.host.createAddressSpace();
    this.vm = this.createVm(this.space, (into) => this.draw(into));
    this.codeAt = this.loadProgram(this.vm, this.space);
    this.ramAt = this.space.mmapAnonymous(RAM_PAGES * PAGE_SIZE);
    const slot = (id: number, at: Gpa, pages: number, from: Hva): void =>
      this.vm.memory.setUserMemoryRegion({ slot: id, flags: 0, gpa: at, size: pages * PAGE_SIZE, hva: from });
    slot(1, SECRET, RAM_PAGES, this.ramAt);
    slot(4, ALIAS, 1, this.ramAt);
    const bytes = FILE_PAGES * PAGE_SIZE;
    // Upstream's guest_memfd of an ordinary VM is shared with its VMM from the start.
    const flags = GUEST_MEMFD_MMAP | (mode.isProtected ? 0 : GUEST_MEMFD_INIT_SHARED);
    this.memfd = this.vm.memory.createGuestMemfd(bytes, flags);
    this.vm.memory.setUserMemoryRegion2({
      slot: 2,
      flags: MEM_GUEST_MEMFD,
      gpa: IN_MEMFD,
      size: bytes,
      hva: 0,
      memfd: this.memfd,
      offset: 0,
    });
    this.file = this.host.createSharedFile(bytes);
    this.fileAt = this.space.mmapFile(this.file, 0, bytes);
    slot(3, IN_FILE, FILE_PAGES, this.fileAt);
    this.guest = new LiveGuest(this.vm);
    this.start();
  }

  /** A VM of the mode's kind; `random` is its CPUs' random source. */
  createVm(space: AddressSpace, random: (into: Uint8Array) => boolean): Vm {
    return new Vm(this.host, space, {
      vcpus: 3,
      gic: 3,
      engine: 'interpreter',
      extensions: EVERYTHING,
      clock: { now: () => 0, virtual: true },
      random,
      log: this.log,
      features: { mte: this.hasMte },
      ...this.mode.vm,
    });
  }

  readonly log: Log = (level, source, message) => {
    if (level === 'warn') this.warnings.push(`${source}: ${message}`);
  };

  /** Puts the program at CODE, where the VMM has it at the address returned. */
  loadProgram(vm: Vm, space: AddressSpace): Hva {
    const at = space.mmapAnonymous(PAGE_SIZE);
    space.port.write(at, programPage());
    vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: CODE, size: PAGE_SIZE, hva: at });
    if (this.mode.isProtected) vm.donate(CODE, PAGE_SIZE);
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
    guest.powerOn(mode.guardCall);
    this.must(guest.call(0, 'keep', BigInt(SECRET)));
    mode.guard(guest, deviceOf(1));
    mode.guard(guest, DISK);
    for (let n = 0; n < 4; n++) {
      const block = BigInt(n) << 30n;
      this.must(
        guest.call(0, 'store', BigInt(TABLES + 8 * n), block | (n === 0 ? DEVICE_BLOCK : MEMORY_BLOCK)),
      );
    }
    for (const page of [SHARED, RINGS, gpa(RINGS + PAGE_SIZE)]) {
      this.must(guest.call(0, 'store', BigInt(page), 0n));
      if (!mode.share(guest, page)) throw new Error('the guest cannot share its page');
    }
    this.must(guest.call(0, 'store', BigInt(SPARE), 0x0123_4567_89ab_cdefn));
    this.must(guest.call(0, 'mmu', BigInt(TABLES), TCR, MAIR, SCTLR));
    this.must(guest.call(0, 'hvc', CPU_ON, 1n, BigInt(CODE), BigInt(deviceOf(1))));
    this.must(guest.call(1, 'mmu', BigInt(TABLES), TCR, MAIR, SCTLR));
    this.must(guest.call(1, 'keep', BigInt(SECOND)));
    this.must(guest.beat(0));
  }

  /** The bytes that the first vCPU drew. */
  get secret(): Uint8Array {
    return Uint8Array.from(this.drawn.slice(0, SECRET_BYTES));
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
    const entry = this.vm.memory.guest.table.get(page / PAGE_SIZE);
    return (entry & ENTRY_PRESENT) !== 0 && entryFrame(entry) === before ? { rule: 'frozen' } : {};
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
