import { describe, expect, it } from 'vitest';
import { assembleProgram } from '../../src/hardware/a64/index.ts';
import { Host, PhysicalMemory, UPSTREAM, Vm } from '../../src/hypervisor/index.ts';
import { PAGE_SIZE } from '../../src/lib/index.ts';

const CODE = 0x4000_0000;
const VECTORS = 0x800;

/** Switches software step of EL1 on (MDSCR_EL1.KDE and SS), and then unmasks debug exceptions. */
const program = (unmask: string): string => `
  movz x0, #0x4000, lsl #16
  add x0, x0, #${VECTORS}
  msr vbar_el1, x0
  msr oslar_el1, xzr
  movz x1, #0x2001
  msr mdscr_el1, x1
  adr x12, next
  isb
  ${unmask}
  next:
  movz x2, #1
  wfi
`;
const HANDLER = 'mrs x9, esr_el1\nmrs x11, elr_el1\nwfi';

describe.each(['interpreter', 'jit'] as const)('software step (Arm ARM D2.12), %s', (engine) => {
  it.each(['msr daifclr, #8', 'msr daif, xzr'])('begins with the instruction after %s', (unmask) => {
    const host = new Host(new PhysicalMemory({ frames: 64, systemBytes: 8 << 20 }));
    const space = host.createAddressSpace();
    const clock = { now: () => 0, virtual: true };
    const vm = new Vm(host, space, { vcpus: 1, gic: 3, extensions: UPSTREAM, engine, clock });
    const hva = space.mmapAnonymous(PAGE_SIZE);
    for (const [offset, source] of [[0, program(unmask)] as const, [VECTORS + 0x200, HANDLER] as const]) {
      space.port.write(hva + offset, assembleProgram(source, CODE + offset).bytes);
    }
    vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: CODE, size: PAGE_SIZE, hva });
    const [vcpu] = vm.vcpus;
    vcpu.setRegister('pc', BigInt(CODE));
    expect(vcpu.run(1000)).toMatchObject({ reason: 'wfi' });
    const [esr, elr, next, x2] = [9, 11, 12, 2].map((n) => vcpu.cpu.state.x(n));
    // At once, without a valid syndrome: PSTATE.SS was clear.
    expect({ esr, elr, x2 }).toEqual({ esr: 0xce00_0022n, elr: next, x2: 0n });
  });
});
