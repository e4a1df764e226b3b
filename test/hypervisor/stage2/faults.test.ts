// What a guest finds where its access finds no memory (FACTS B, guest faults), by instructions on the emulated CPU.

import { describe, expect, it } from 'vitest';
import { BARE_VCPU_BYTES, BareVcpu } from '../../../src/hypervisor/index.ts';
import { Host, MEM_READONLY } from '../../../src/hypervisor/slots/index.ts';
import { kit, PAGE, RAM } from './kit.ts';

const VECTORS = RAM + 0x800;
const READ_ONLY = RAM + 16 * PAGE;
const NOWHERE = 0x9000_0008;
/** Beyond the VM's 40 bits, within what the host translates. */
const BEYOND = 2 ** 40 + 0x5008;

const LOAD = 0xf9400001; // ldr x1, [x0]
const STORE = 0xf9000001; // str x1, [x0]
const PAIR = 0xa9400801; // ldp x1, x2, [x0]
const BRANCH = 0xd61f0000; // br x0
const CLEAN = 0xd50b7a20; // dc cvac, x0
const HERE = 0x14000000; // b .

/** Runs one instruction at EL1 with stage 1 off; with `table`, on from the start with its table there. */
function run(instruction: number, x0: number, table?: number) {
  const host = Host.create(64, { systemBytes: BARE_VCPU_BYTES });
  const { memory, vmm, ram } = kit({ on: host });
  memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: 8 * PAGE, hva: ram });
  memory.setUserMemoryRegion({ slot: 1, flags: MEM_READONLY, gpa: READ_ONLY, size: PAGE, hva: ram });
  const code = new Uint8Array(PAGE);
  const view = new DataView(code.buffer);
  view.setUint32(0, instruction, true);
  view.setUint32(4, HERE, true);
  for (let vector = 0x800; vector < PAGE; vector += 0x80) view.setUint32(vector, HERE, true);
  vmm.port.write(ram, code);
  const vcpu = new BareVcpu(host).attach(memory);
  vcpu.setRegister('VBAR_EL1', BigInt(VECTORS));
  vcpu.setRegister('x0', BigInt(x0));
  vcpu.setRegister('pc', BigInt(RAM));
  if (table !== undefined) {
    vcpu.setRegister('TTBR0_EL1', BigInt(table));
    // 39 bits of addresses, so that the walk begins at level 1; EPD1.
    vcpu.setRegister('TCR_EL1', 0x5_0080_3519n);
    vcpu.setRegister('SCTLR_EL1', 0x30d0_1985n);
  }
  const { reason } = vcpu.run(20);
  const [esr, far] = ['ESR_EL1', 'FAR_EL1'].map((name) => Number(vcpu.cpu.readRegister(name)));
  return reason === 'budget' ? { esr, far } : { reason };
}

describe('an access of a guest that finds no memory (FACTS B)', () => {
  it.each([
    ['no slot: a load is the VMM’s', LOAD, NOWHERE, { reason: 'mmio' }],
    ['no slot: a store is the VMM’s', STORE, NOWHERE, { reason: 'mmio' }],
    ['a read-only slot: a store is the VMM’s', STORE, READ_ONLY, { reason: 'mmio' }],
    ['a read-only slot: a load is memory', LOAD, READ_ONLY, { esr: 0, far: 0 }],
    ['ISV=0 differs: a pair is the VMM’s, part by part', PAIR, NOWHERE, { reason: 'mmio' }],
    ['an instruction fetch: SEA', BRANCH, NOWHERE - 8, { esr: 0x8600_0010, far: NOWHERE - 8 }],
    ['cache maintenance outside of slots is skipped', CLEAN, NOWHERE, { esr: 0, far: 0 }],
    ['beyond the VM’s IPA size: SEA, FAR = IPA', LOAD, BEYOND, { esr: 0x9600_0010, far: BEYOND }],
    ['beyond the VM’s IPA size, a store: SEA, FAR = IPA', STORE, BEYOND, { esr: 0x9600_0010, far: BEYOND }],
    [
      'beyond the VM’s IPA size, a fetch: SEA, FAR = IPA',
      BRANCH,
      BEYOND - 8,
      { esr: 0x8600_0010, far: BEYOND - 8 },
    ],
  ])('%s', (_, instruction, x0, expected) => {
    expect(run(instruction, x0)).toEqual(expected);
  });

  it('a stage-1 walk outside of slots: SEA on the walk, FSC 0x14 + level', () => {
    expect(run(LOAD, RAM, NOWHERE - 8)).toMatchObject({ esr: 0x8600_0015 });
  });

  it('a stage-1 walk beyond the VM’s IPA size: SEA, FAR = IPA of the table', () => {
    const { esr, far } = run(LOAD, RAM, 2 ** 41);
    expect(esr).toBe(0x8600_0010);
    expect(far).toBeGreaterThanOrEqual(2 ** 41);
  });
});
