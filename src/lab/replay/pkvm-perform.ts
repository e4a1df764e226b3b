// Performs the calls of a pKVM recording on Ringfence: a protected or ordinary VM on a pKVM host, its VMM, and the
// host's kernel, each on its own side of the wall.

import { PhysicalMemory, UPSTREAM, type Vcpu, type VcpuExit, Vm } from '../../hypervisor/index.ts';
import { type AddressSpace, Host, HostKernel } from '../../hypervisor/slots/index.ts';
import { ERRNO, Errno, gpa, type Hva, hva, PAGE_SIZE } from '../../lib/index.ts';
import { CODE, type GuestCommand, programPage, runCommand } from './pkvm-guest.ts';
import { PKVM_ANSWER_FIELDS, PKVM_ASKED_FIELDS, type PkvmCall } from './pkvm-recording.ts';
import type { AnswerFields, Player } from './player.ts';
import { type Answer, fromHex, type RawLine, toHex } from './recording.ts';

const PAGES = 16;
const DATA = gpa(0x8000_0000);
/** Where the recorder moved slot 1 to and put slot 3. */
const ELSEWHERE = gpa(0x9000_0000);
const FRAMES = 256;
/** For one vCPU and the interpreter. */
const SYSTEM_BYTES = 8 << 20;

/** The host's clock beside the guest's counter: no two runs agree on it. */
const KVM_PTP = 0x86000001;
const NOT_SUPPORTED = toHex(BigInt.asUintN(64, -1n));
/** What the recorder's VMM answered to a load that was left to it. */
const MMIO_LOAD = 0x5a5a_5a5a_5a5a_5a5an;

function result(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    if (error instanceof Errno) return -ERRNO[error.code];
    throw error;
  }
}

const newHost = (): Host =>
  new Host(new PhysicalMemory({ frames: FRAMES, systemBytes: SYSTEM_BYTES }), { pkvm: true });

type Of<Op extends PkvmCall['op']> = PkvmCall & { readonly op: Op };

export class PkvmPerformer implements Player {
  readonly answerFields: AnswerFields = PKVM_ANSWER_FIELDS;
  readonly askedFields = PKVM_ASKED_FIELDS;
  /** A new one for each VM: the CPU's tables stay in a host's memory for good. */
  host = newHost();
  private kernel = new HostKernel(this.host);
  private space: AddressSpace | undefined;
  private vm: Vm | undefined;
  private ram: Hva = hva(0);

  /** The answer of ours. */
  perform(raw: RawLine): Answer {
    const call = raw as PkvmCall;
    switch (call.op) {
      case 'vm':
        return this.newVm(call);
      case 'setup':
        return this.setup();
      case 'hvc':
        return this.hvc(call);
      case 'gload':
        return this.access({ kind: 'load', address: fromHex(call.gpa) });
      case 'gstore':
        return this.access({ kind: 'store', address: fromHex(call.gpa), value: fromHex(call.val) });
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
    this.vm?.dispose();
    this.space?.destroy();
  }

  private get parts(): { space: AddressSpace; vm: Vm; vcpu: Vcpu } {
    const { space, vm } = this;
    if (!space || !vm) throw new Error('a recording begins with "vm"');
    return { space, vm, vcpu: vm.vcpus[0] };
  }

  private newVm(line: Of<'vm'>): Answer {
    this.dispose();
    this.host = newHost();
    this.kernel = new HostKernel(this.host);
    const space = this.host.createAddressSpace();
    this.space = space;
    this.vm = new Vm(this.host, space, {
      vcpus: 1,
      gic: 3,
      protected: line.protected === 1,
      extensions: UPSTREAM,
      features: { mte: false },
      engine: 'interpreter',
      clock: { now: () => 0, virtual: true },
      wallClock: () => 0n,
    });
    this.ram = space.mmapAnonymous(PAGES * PAGE_SIZE);
    line.init.forEach((word, page) => {
      if (word !== '0') space.port.write(this.ram + page * PAGE_SIZE, bytesOf(fromHex(word)));
    });
    return {};
  }

  private setup(): Answer {
    const { space, vm, vcpu } = this.parts;
    const code = space.mmapAnonymous(PAGE_SIZE);
    space.port.write(code, programPage());
    const slots = [
      result(() =>
        vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: CODE, size: PAGE_SIZE, hva: code }),
      ),
      this.slot(1, DATA, PAGES * PAGE_SIZE, 0),
    ];
    return { slots, vcpu: 0, pc: result(() => vcpu.setRegister('pc', BigInt(CODE))) };
  }

  private slot(slot: number, at: number, size: number, flags: number): number {
    return result(() =>
      this.parts.vm.memory.setUserMemoryRegion({ slot, flags, gpa: at, size, hva: this.ram }),
    );
  }

  // -------------------------------------------------------------- the guest

  private access(command: GuestCommand): Answer {
    const { x, fault, mmio, failed } = runCommand(this.parts.vcpu, command, MMIO_LOAD);
    if (failed) return failedRun(failed);
    return {
      ...(mmio ? { mmio: toHex(mmio.gpa), w: mmio.write ? 1 : 0 } : {}),
      ...(fault ? { esr: toHex(fault.esr), far: toHex(fault.far) } : { x: x?.map(toHex) }),
    };
  }

  private hvc(call: Of<'hvc'>): Answer {
    const x = [call.fn, call.x1, call.x2, call.x3].map(fromHex);
    const answer = this.access({ kind: 'hvc', x });
    const there = (words: unknown): boolean => Array.isArray(words) && words[0] !== NOT_SUPPORTED;
    const isTime = Number(x[0]) === KVM_PTP && there(answer.x) && there(call.x);
    return isTime ? { ...answer, x: call.x } : answer;
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
        return { r: this.slot(1, ELSEWHERE, size, 0) };
      case 'logdirty':
        return { r: this.slot(1, DATA, size, 1) };
      case 'identical':
        return { r: this.slot(1, DATA, size, 0) };
      case 'readonly':
        return { r: this.slot(3, ELSEWHERE, PAGE_SIZE, 2) };
    }
  }

  private restoreSlot(): number {
    this.slot(1, DATA, 0, 0);
    return this.slot(1, DATA, PAGES * PAGE_SIZE, 0);
  }

  private after(): Answer {
    const { vm, space } = this.parts;
    vm.dispose();
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

function failedRun(exit: VcpuExit): Answer {
  if (exit.reason === 'error' || exit.reason === 'memory-fault') return { run: -ERRNO[exit.errno], exit: 0 };
  // The program is not what it was: a store of its own has gone over it.
  return { run: exit.reason };
}
