// Performs the calls of a pKVM recording on Ringfence: a protected or ordinary VM on a pKVM host, its VMM, and the
// host's kernel, each on its own side of the wall.

import { type AddressSpace, Host, HostKernel } from '../../hypervisor/slots/index.ts';
import { type ShareResult, type VcpuAccess, type VcpuPort, VmMemory } from '../../hypervisor/stage2/index.ts';
import { ERRNO, Errno, gpa, type Hva, hva, PAGE_SIZE } from '../../lib/index.ts';
import { PKVM_ANSWER_FIELDS, type PkvmCall } from './pkvm-recording.ts';
import type { AnswerFields, Player } from './player.ts';
import { type Answer, fromHex, type RawLine, toHex } from './recording.ts';

const PAGES = 16;
const CODE = gpa(0x4000_0000);
const DATA = gpa(0x8000_0000);
/** Where the recorder moved slot 1 to and put slot 3. */
const ELSEWHERE = gpa(0x9000_0000);
const FRAMES = 256;

const MEMINFO = 0xc6000002;
const MEM_SHARE = 0xc6000003;
const MEM_UNSHARE = 0xc6000004;
const INVALID_PARAMETER = toHex(BigInt.asUintN(64, -3n));
const NOT_SUPPORTED = toHex(BigInt.asUintN(64, -1n));
/** What the recorder's VMM answered to a load that was left to it. */
const MMIO_LOAD = '5a5a5a5a5a5a5a5a';
const SEA_AT_EL1 = '96000010';

function result(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    if (error instanceof Errno) return -ERRNO[error.code];
    throw error;
  }
}

type Of<Op extends PkvmCall['op']> = PkvmCall & { readonly op: Op };

export class PkvmPerformer implements Player {
  readonly answerFields: AnswerFields = PKVM_ANSWER_FIELDS;
  readonly host = Host.create(FRAMES, { pkvm: true });
  private readonly kernel = new HostKernel(this.host);
  private space: AddressSpace | undefined;
  private memory: VmMemory | undefined;
  private vcpu: VcpuPort | undefined;
  private ram: Hva = hva(0);
  private flags = 0;
  private isProtected = false;

  /** The answer of ours, or undefined for a call that is not about memory. */
  perform(raw: RawLine): Answer | undefined {
    const call = raw as PkvmCall;
    switch (call.op) {
      case 'vm':
        return this.vm(call);
      case 'setup':
        return this.setup();
      case 'hvc':
        return this.hvc(call);
      case 'gload':
        return this.load(call.gpa);
      case 'gstore':
        return this.store(call.gpa, call.val);
      case 'vmm':
        return this.vmm(call);
      case 'hostkernel':
        return this.hostKernel(call);
      case 'gup':
        return this.gup(call.page);
      case 'region':
        return this.region(call);
      case 'reslot':
        return { r: this.restoreSlot() };
      case 'unslot3':
        return { r: this.slot(3, ELSEWHERE, 0, 0) };
      case 'after':
        return this.after();
      case 'end':
        return {};
    }
  }

  dispose(): void {
    this.memory?.destroy();
    this.space?.destroy();
  }

  private get parts(): { space: AddressSpace; memory: VmMemory; vcpu: VcpuPort } {
    const { space, memory, vcpu } = this;
    if (!space || !memory || !vcpu) throw new Error('a recording begins with "vm"');
    return { space, memory, vcpu };
  }

  private vm(line: Of<'vm'>): Answer {
    this.dispose();
    const space = this.host.createAddressSpace();
    this.space = space;
    this.isProtected = line.protected === 1;
    this.memory = new VmMemory(this.host, space, { protected: this.isProtected });
    this.ram = space.mmapAnonymous(PAGES * PAGE_SIZE);
    line.init.forEach((word, page) => {
      if (word !== '0') space.port.write(this.ram + page * PAGE_SIZE, bytesOf(fromHex(word)));
    });
    return {};
  }

  private setup(): Answer {
    const { space, memory } = this;
    if (!space || !memory) throw new Error('a recording begins with "vm"');
    const code = space.mmapAnonymous(PAGE_SIZE);
    space.port.write(code, new Uint8Array(PAGE_SIZE).fill(1));
    const slots = [
      result(() => memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: CODE, size: PAGE_SIZE, hva: code })),
      this.slot(1, DATA, PAGES * PAGE_SIZE, 0),
    ];
    this.vcpu = memory.createVcpuPort(0);
    return { slots, vcpu: 0, pc: 0 };
  }

  private slot(slot: number, at: number, size: number, flags: number): number {
    return result(() => this.memory!.setUserMemoryRegion({ slot, flags, gpa: at, size, hva: this.ram }));
  }

  // -------------------------------------------------------------- the guest

  private load(address: string): Answer {
    const { vcpu } = this.parts;
    vcpu.fetch(CODE);
    const access = vcpu.load(gpa(Number(fromHex(address))));
    return this.ran(access, address, 0, (value) => [toHex(value), '0', '0', '0'], [MMIO_LOAD, '0', '0', '0']);
  }

  private store(address: string, value: string): Answer {
    const { vcpu } = this.parts;
    vcpu.fetch(CODE);
    const access = vcpu.store(gpa(Number(fromHex(address))), fromHex(value));
    const registers = ['0', value, '0', '0'];
    return this.ran(access, address, 1, () => registers, registers);
  }

  private ran(
    access: VcpuAccess,
    address: string,
    write: number,
    done: (value: bigint) => string[],
    emulated: string[],
  ): Answer {
    if (access.kind === 'done') return { x: done(access.value) };
    if (access.kind === 'mmio') return { mmio: address, w: write, x: emulated };
    if (access.kind === 'abort') return { esr: SEA_AT_EL1, far: address };
    return failedRun(access);
  }

  private hvc({ fn, x1, x2, x3 }: Of<'hvc'>): Answer | undefined {
    const { vcpu, memory } = this.parts;
    vcpu.fetch(CODE);
    const id = Number(fromHex(fn));
    if (id !== MEMINFO && id !== MEM_SHARE && id !== MEM_UNSHARE) return undefined;
    if (!this.isProtected) return { x: [NOT_SUPPORTED, '0', '0', '0'] };
    const reserved = id === MEMINFO ? [x1, x2, x3] : [x2, x3];
    if (reserved.some((word) => word !== '0')) return { x: [INVALID_PARAMETER, '0', '0', '0'] };
    if (id === MEMINFO) return { x: [toHex(PAGE_SIZE), '0', '0', '0'] };
    const ipa = Number(fromHex(x1));
    if (id === MEM_UNSHARE) return shared(memory.unshareFromHost(ipa));
    const first = memory.shareWithHost(ipa, 0);
    return shared(first.kind === 'again' ? memory.shareWithHost(ipa, 0) : first);
  }

  // -------------------------------------------------------------- the host

  private pageAt(page: number): Hva {
    return hva(this.ram + page * PAGE_SIZE);
  }

  private vmm({ page, w }: Of<'vmm'>): Answer {
    const { port } = this.parts.space;
    const bytes = bytesOf(fromHex(w));
    const refused =
      (w === '0' ? undefined : port.write(this.pageAt(page), bytes)) ?? port.read(this.pageAt(page), bytes);
    return refused ? { sig: refused.signal === 'SIGBUS' ? 7 : 11 } : { v: wordOf(bytes) };
  }

  /** The recorder's file took what it was given without looking, so that only the kernel's writes tell anything. */
  private hostKernel({ page, write }: Of<'hostkernel'>): Answer {
    if (!write) return { r: 8 };
    const port = this.kernel.userPort(this.parts.space);
    const refused = port.write(this.pageAt(page), new Uint8Array(8));
    port.close();
    return { r: refused ? -ERRNO.EFAULT : 8 };
  }

  private gup(page: number): Answer {
    const r = result(() => this.kernel.getUserPage(this.parts.space, this.pageAt(page)));
    return { r: r === 0 ? 8 : r };
  }

  private region({ what }: Of<'region'>): Answer {
    const size = PAGES * PAGE_SIZE;
    switch (what) {
      case 'delete':
        return { r: this.slot(1, DATA, 0, 0) };
      case 'move':
        return { r: this.slot(1, ELSEWHERE, size, this.flags) };
      case 'logdirty':
        return { r: this.slot(1, DATA, size, 1) };
      case 'identical':
        return { r: this.slot(1, DATA, size, this.flags) };
      case 'readonly':
        return { r: this.slot(3, ELSEWHERE, PAGE_SIZE, 2) };
    }
  }

  private restoreSlot(): number {
    this.slot(1, DATA, 0, 0);
    return this.slot(1, DATA, PAGES * PAGE_SIZE, 0);
  }

  private after(): Answer {
    const { memory, space } = this.parts;
    memory.destroy();
    const mem = Array.from({ length: PAGES }, (_, page) => {
      const bytes = new Uint8Array(8);
      space.port.read(this.pageAt(page), bytes);
      return wordOf(bytes);
    });
    return { mem };
  }
}

const bytesOf = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
};

const wordOf = (bytes: Uint8Array): string => toHex(new DataView(bytes.buffer).getBigUint64(0, true));

function failedRun({ exit }: VcpuAccess & { kind: 'exit' }): Answer {
  if (exit.reason === 'dirty-ring-full') return { run: 0, exit: 31 };
  return { run: -ERRNO[exit.errno], exit: 0 };
}

function shared(outcome: ShareResult): Answer {
  switch (outcome.kind) {
    case 'done':
      return { x: ['0', '0', '0', '0'] };
    case 'refused':
      return { x: [INVALID_PARAMETER, '0', '0', '0'] };
    case 'again':
      throw new Error('a page that was just donated is missing');
    case 'abort':
      return { esr: SEA_AT_EL1, far: '0' };
    case 'exit':
      return failedRun({ kind: 'exit', exit: outcome.exit });
  }
}
