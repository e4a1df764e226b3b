// The notes of a core dump: a thread for each vCPU with its registers, pointer authentication masks and tagged-address
// state, what the CPU has (for debuggers), and which memory is withheld (Linux uapi/linux/elf.h, asm/ptrace.h).

import type { MachineDebugger, VcpuDebug } from '../../machine/index.ts';
import type { Note } from './elf.ts';

const NT_PRSTATUS = 1;
const NT_PRFPREG = 2;
const NT_AUXV = 6;
const NT_ARM_PAC_MASK = 0x406;
const NT_ARM_TAGGED_ADDR_CTRL = 0x409;

/** Our own: pairs of 64-bit words, a guest-physical address and a length, of memory that no segment shows. */
const WITHHELD_OWNER = 'Ringfence';
const NT_WITHHELD = 0x5246_0001;

/** struct elf_prstatus: pr_pid, pr_reg and the whole. */
const PID_AT = 32;
const REGISTERS_AT = 112;
const PRSTATUS_BYTES = 392;
const AT_PAGESZ = 6;
const AT_HWCAP = 16;
const AT_HWCAP2 = 26;
const HWCAP_FP = 1n;
const HWCAP_ASIMD = 2n;
const HWCAP_PACA = 1n << 30n;
const HWCAP2_MTE = 1n << 18n;
/** PR_TAGGED_ADDR_ENABLE. */
const TAGGED_ADDRESSES = 1n;

export interface AddressRange {
  readonly address: number;
  readonly bytes: number;
}

const words = (...values: bigint[]): Uint8Array => {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [n, value] of values.entries()) view.setBigUint64(8 * n, BigInt.asUintN(64, value), true);
  return bytes;
};

const named = (vcpu: VcpuDebug, names: readonly string[]): Uint8Array =>
  words(...names.map((name) => vcpu.readRegister(name)));

const GENERAL = [...Array.from({ length: 31 }, (_, n) => `x${n}`), 'sp', 'pc', 'cpsr'];
const VECTORS = Array.from({ length: 32 }, (_, n) => `v${n}`);

/** elf_prstatus; registers are zero where nobody may see them. */
function status(thread: number, vcpu: VcpuDebug | undefined): Note {
  const content = new Uint8Array(PRSTATUS_BYTES);
  new DataView(content.buffer).setUint32(PID_AT, thread, true);
  if (vcpu) content.set(named(vcpu, GENERAL), REGISTERS_AT);
  return { owner: 'CORE', type: NT_PRSTATUS, content };
}

function floatingPoint(vcpu: VcpuDebug): Note {
  const halves = VECTORS.flatMap((name) => {
    const value = vcpu.readRegister(name);
    return [value, value >> 64n];
  });
  const controls = vcpu.readRegister('fpsr') | (vcpu.readRegister('fpcr') << 32n);
  return { owner: 'CORE', type: NT_PRFPREG, content: words(...halves, controls, 0n) };
}

const linux = (type: number, content: Uint8Array): Note => ({ owner: 'LINUX', type, content });

export function notesOf(face: MachineDebugger, withheld: readonly AddressRange[]): Note[] {
  const notes: Note[] = [];
  for (const [n, vcpu] of face.vcpus.entries()) {
    notes.push(status(n + 1, face.isOpen ? vcpu : undefined));
    // After the first thread, as the kernel orders them.
    if (n === 0) notes.push({ owner: 'CORE', type: NT_AUXV, content: auxiliaryVector(face.hasMte) });
    if (!face.isOpen) continue;
    notes.push(floatingPoint(vcpu), linux(NT_ARM_PAC_MASK, named(vcpu, ['pac_mask2', 'pac_mask0'])));
    if (face.hasMte) notes.push(linux(NT_ARM_TAGGED_ADDR_CTRL, words(TAGGED_ADDRESSES)));
  }
  if (withheld.length > 0) {
    const content = words(...withheld.flatMap(({ address, bytes }) => [BigInt(address), BigInt(bytes)]));
    notes.push({ owner: WITHHELD_OWNER, type: NT_WITHHELD, content });
  }
  return notes;
}

const auxiliaryVector = (hasMte: boolean): Uint8Array =>
  words(
    ...[BigInt(AT_PAGESZ), 4096n],
    ...[BigInt(AT_HWCAP), HWCAP_FP | HWCAP_ASIMD | HWCAP_PACA],
    ...[BigInt(AT_HWCAP2), hasMte ? HWCAP2_MTE : 0n],
    ...[0n, 0n],
  );
