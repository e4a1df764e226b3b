// A small realm whose software is the test: it runs single instructions on the realm's vCPU, with the registers that it
// wants, and sees what they came to.

import { assembleProgram } from '../../../src/hardware/a64/index.ts';
import {
  type AddressSpace,
  GUEST_MEMFD_INIT_SHARED,
  GUEST_MEMFD_MMAP,
  type GuestMemfd,
  MEM_GUEST_MEMFD,
  PhysicalMemory,
  type VcpuExit,
  Vm,
  type VmOptions,
} from '../../../src/hypervisor/index.ts';
import { Host } from '../../../src/hypervisor/slots/index.ts';
import { type Hva, PAGE_SIZE } from '../../../src/lib/index.ts';

export const PAGE = PAGE_SIZE;
export const RAM = 0x4000_0000;
export const RAM_PAGES = 16;
export const RAM_END = RAM + RAM_PAGES * PAGE;
/** The code page is the first; this one is populated too, and holds what the host wrote there. */
export const DATA = RAM + PAGE;
/** RAM that the host has not filled. */
export const FREE = RAM + 2 * PAGE;
/** What the highest bit of an address is worth: 41 bits. */
export const ALIAS = 2 ** 40;
export const FIXED_ID = 0xc4000190;
const FINISH = 0xa00_0000;

/** Snippets in the code page, each followed by a store that ends the run. */
const SNIPPETS = {
  smc: 'smc #0',
  hvc: 'hvc #0',
  load: 'ldr x1, [x0]',
  store: 'str x1, [x0]',
  call: 'blr x0',
} as const;
const SNIPPET_BYTES = 16;
const VECTOR = 0x800;

export type Result =
  | { readonly kind: 'done' }
  /** An exception that the realm takes itself. */
  | { readonly kind: 'exception'; readonly esr: string; readonly far: string }
  | { readonly kind: 'exit'; readonly exit: VcpuExit };

export class Realm {
  readonly host: Host;
  readonly space: AddressSpace;
  readonly vm: Vm;
  readonly memfd: GuestMemfd;
  readonly hva: Hva;

  constructor(options: Partial<VmOptions> = {}, fill?: (realm: Realm) => void) {
    this.host = new Host(new PhysicalMemory({ frames: 64, systemBytes: 8 << 20 }));
    this.space = this.host.createAddressSpace();
    this.vm = new Vm(this.host, this.space, {
      vcpus: 1,
      gic: 3,
      realm: {},
      engine: 'interpreter',
      features: { mte: false },
      clock: { now: () => 0, virtual: true },
      ...options,
    });
    const size = RAM_PAGES * PAGE;
    this.memfd = this.vm.memory.createGuestMemfd(size, GUEST_MEMFD_MMAP | GUEST_MEMFD_INIT_SHARED);
    this.hva = this.space.mmapMemfd(this.memfd, 0, size);
    const slot = { slot: 0, flags: MEM_GUEST_MEMFD, gpa: RAM, size, hva: this.hva, memfd: this.memfd };
    this.vm.memory.setUserMemoryRegion2(slot);
    this.hostWrites(RAM, assembleProgram(program(), RAM).bytes);
    this.hostWrites(DATA, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    // What the host leaves in RAM that it does not declare, the realm must not find.
    this.hostWrites(FREE, new Uint8Array(PAGE).fill(0xee));
    if (fill) fill(this);
    else {
      this.vm.initRipas(RAM, size);
      this.vm.populate(RAM, 2 * PAGE);
    }
  }

  /** As the VMM would, through its own mapping; returns the rule that refused it. */
  hostWrites(address: number, bytes: Uint8Array): string {
    return this.space.port.write(this.hva + address - RAM, bytes)?.rule ?? 'done';
  }

  hostReads(address: number): bigint | string {
    const bytes = new Uint8Array(8);
    const refusal = this.space.port.read(this.hva + address - RAM, bytes);
    return refusal?.rule ?? new DataView(bytes.buffer).getBigUint64(0, true);
  }

  x(n: number): bigint {
    return this.vm.vcpus[0].cpu.state.x(n);
  }

  private run(snippet: keyof typeof SNIPPETS, registers: readonly (number | bigint)[]): Result {
    const [vcpu] = this.vm.vcpus;
    const { state } = vcpu.cpu;
    registers.forEach((value, n) => {
      state.setX(n, BigInt.asUintN(64, BigInt(value)));
    });
    state.setX(28, BigInt(ALIAS + FINISH));
    state.setX(9, 0n);
    vcpu.cpu.writeRegister('VBAR_EL1', BigInt(RAM + VECTOR));
    state.pc = BigInt(RAM + Object.keys(SNIPPETS).indexOf(snippet) * SNIPPET_BYTES);
    for (;;) {
      const exit = vcpu.run(100);
      // A call that took long ends the slice.
      if (exit.reason === 'budget') continue;
      if (exit.reason !== 'mmio' || exit.gpa !== FINISH) return { kind: 'exit', exit };
      if (this.x(9) === 0n) return { kind: 'done' };
      return { kind: 'exception', esr: this.x(9).toString(16), far: this.x(10).toString(16) };
    }
  }

  /** A Realm Services call; its results are in x(). Throws where it is not simply answered. */
  rsi(offset: number, ...args: (number | bigint)[]): bigint {
    const result = this.smc(FIXED_ID + offset, ...args);
    if (result.kind !== 'done') throw new Error(`RSI ${offset}: ${JSON.stringify(result)}`);
    return this.x(0);
  }

  smc(id: number, ...args: (number | bigint)[]): Result {
    const registers = [...args, ...new Array<number>(Math.max(0, 10 - args.length)).fill(0)];
    return this.run('smc', [id, ...registers.slice(0, 8)]);
  }

  hvc(id: number): Result {
    return this.run('hvc', [id]);
  }

  /** 8 bytes: the value, or what else became of it. */
  load(address: number): bigint | Result {
    const result = this.run('load', [address, 0]);
    return result.kind === 'done' ? this.x(1) : result;
  }

  store(address: number, value: bigint): Result {
    return this.run('store', [address, value]);
  }

  call(address: number): Result {
    return this.run('call', [address]);
  }
}

function program(): string {
  const end = '\nstr xzr, [x28]\nb .\nnop\n';
  const snippets = Object.values(SNIPPETS).map((text) => text + end);
  const before = (VECTOR + 0x200) / 4 - snippets.length * (SNIPPET_BYTES / 4);
  const handler = 'mrs x9, esr_el1\nmrs x10, far_el1\nadd x9, x9, xzr\nstr xzr, [x28]\nb .';
  return `${snippets.join('')}${'nop\n'.repeat(before)}${handler}`;
}

/** RIPAS of a page as the realm is told. */
export function ripasOf(realm: Realm, address: number): bigint {
  if (realm.rsi(8, address, address + PAGE) !== 0n) throw new Error('STATE_GET');
  return realm.x(2);
}
