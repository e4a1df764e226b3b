// A live guest: its vCPUs run the program (program.ts) on the emulated CPU, and this is the far end of the devices by
// which somebody tells it what to do next. Other device accesses go to whom the attack names as their emulator.

import type { Vcpu, VcpuExit, Vm } from '../../hypervisor/index.ts';
import { type Gpa, gpa, PAGE_SIZE } from '../../lib/index.ts';
import type { Mode } from './modes.ts';
import { CODE, ROUTINES, type Routine } from './program.ts';

/** One page of registers for each vCPU. */
const DEVICE = 0x900_0000;
export const deviceOf = (vcpu: number): Gpa => gpa(DEVICE + vcpu * PAGE_SIZE);

/** What the guest reads, 8 bytes each: where to branch to, X0 to X7. And what it writes. */
const TARGET = 0x00;
const ARGUMENT = 0x08;
const RESULT = 0x80;
const DONE = 0xa0;
const ESR = 0xa8;
const FAR = 0xb0;

/** More instructions than any call takes between two exits. */
const BUDGET = 50_000;

export type Answer =
  /** X0 to X3. */
  | { readonly kind: 'done'; readonly x: readonly bigint[] }
  /** The guest took a synchronous exception, and lives. */
  | { readonly kind: 'fault'; readonly esr: bigint; readonly far: bigint }
  /** KVM_RUN failed: the vCPU stands where it stood. */
  | { readonly kind: 'failed'; readonly why: string }
  /** The program does not come back. */
  | { readonly kind: 'lost' };

export type MmioExit = VcpuExit & { readonly reason: 'mmio' };

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

export function describe(answer: Answer): string {
  switch (answer.kind) {
    case 'done':
      return `returned ${hex(answer.x[0])}`;
    case 'fault':
      return `took an exception, ESR ${hex(answer.esr)} FAR ${hex(answer.far)}`;
    case 'failed':
      return `cannot run: ${answer.why}`;
    case 'lost':
      return 'did not come back';
  }
}

export class LiveGuest {
  readonly vm: Vm;
  /** Instructions between two exits after which a call counts as lost. */
  budget = BUDGET;
  /** The VMM's answer to accesses outside the guest's own devices; the default emulates nothing. */
  emulate: (exit: MmioExit) => bigint = () => 0n;
  /** Other accesses that reached the VMM, oldest first. */
  readonly seenByVmm: MmioExit[] = [];
  /** vCPUs that stopped in the middle of a call. */
  private readonly unfinished = new Set<number>();

  constructor(vm: Vm) {
    this.vm = vm;
  }

  /** Prepares the first vCPU: X0 its device as the guest reaches it, X1 the call that announces it. */
  powerOn(mode: Mode): void {
    const [first] = this.vm.vcpus;
    first.setRegister('x0', mode.lent(deviceOf(0)));
    first.setRegister('x1', mode.guardCall);
    first.setRegister('pc', BigInt(CODE));
  }

  /**
   * Runs a routine, or code at an address, on a vCPU. One that could not run before goes on with what it was at first;
   * where it still cannot, that is the answer.
   */
  call(vcpu: number, routine: Routine | bigint, ...x: bigint[]): Answer {
    const target = typeof routine === 'bigint' ? routine : BigInt(CODE + ROUTINES[routine]);
    const inputs = new Map([
      [TARGET, target],
      ...x.map((value, n): [number, bigint] => [ARGUMENT + 8 * n, value]),
    ]);
    const before = this.unfinished.has(vcpu) ? this.serve(this.vm.vcpus[vcpu], new Map()) : undefined;
    const answer = before?.kind === 'failed' ? before : this.serve(this.vm.vcpus[vcpu], inputs);
    if (answer.kind === 'failed') this.unfinished.add(vcpu);
    else this.unfinished.delete(vcpu);
    return answer;
  }

  /** The page that the secret was last put into still holds it, and everything that was written there since. */
  beat(vcpu: number): Answer {
    return this.call(vcpu, 'beat');
  }

  private serve(vcpu: Vcpu, inputs: ReadonlyMap<number, bigint>): Answer {
    const outputs = new Map<number, bigint>();
    const device = deviceOf(vcpu.index);
    let end = vcpu.instructions + this.budget;
    for (;;) {
      const exit = vcpu.run(end - vcpu.instructions);
      // A call that took long ends the slice before its time.
      if (exit.reason === 'budget' && vcpu.instructions < end) continue;
      if (exit.reason === 'error' || exit.reason === 'memory-fault')
        return { kind: 'failed', why: exit.errno };
      if (exit.reason !== 'mmio') return { kind: 'lost' };
      end = vcpu.instructions + this.budget;
      const offset = exit.gpa - device;
      if (offset < 0 || offset >= PAGE_SIZE) {
        this.seenByVmm.push(exit);
        const value = this.emulate(exit);
        if (!exit.write) vcpu.completeMmio(value);
      } else if (!exit.write) vcpu.completeMmio(inputs.get(offset) ?? 0n);
      else {
        outputs.set(offset, exit.data);
        if (offset === DONE) break;
      }
    }
    const esr = outputs.get(ESR);
    if (esr !== undefined) return { kind: 'fault', esr, far: outputs.get(FAR) ?? 0n };
    return { kind: 'done', x: [0, 1, 2, 3].map((n) => outputs.get(RESULT + 8 * n) ?? 0n) };
  }
}
