// The registers as GDB sees them (GDB manual, G.5.1, AArch64 features): one table that makes the target description,
// the numbers, and the layout of the g packet.

import type { VcpuDebug } from '../../machine/index.ts';
import { fromHex, toHex } from './packets.ts';

interface Register {
  /** GDB's name. */
  readonly name: string;
  /** The vCPU's name for it. */
  readonly vcpuName: string;
  readonly bits: 32 | 64 | 128;
  readonly type: string;
  /** In the g packet; others come one by one. */
  readonly general: boolean;
}

/** What GDB reads of a register that no vCPU has by that name. */
type Computed = (vcpu: VcpuDebug) => bigint;

interface Feature {
  readonly name: string;
  readonly types?: string;
  readonly registers: readonly Register[];
}

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

const general = (name: string, bits: Register['bits'], type: string): Register => ({
  name,
  vcpuName: name,
  bits,
  type,
  general: true,
});

const CORE: Feature = {
  name: 'org.gnu.gdb.aarch64.core',
  types:
    '<flags id="cpsr_flags" size="4"><field name="SP" start="0" end="0"/><field name="EL" start="2" end="3"/>' +
    '<field name="F" start="6" end="6"/><field name="I" start="7" end="7"/><field name="A" start="8" end="8"/>' +
    '<field name="D" start="9" end="9"/><field name="IL" start="20" end="20"/><field name="SS" start="21" end="21"/>' +
    '<field name="V" start="28" end="28"/><field name="C" start="29" end="29"/><field name="Z" start="30" end="30"/>' +
    '<field name="N" start="31" end="31"/></flags>',
  registers: [
    ...range(31).map((n) => general(`x${n}`, 64, 'int')),
    general('sp', 64, 'data_ptr'),
    general('pc', 64, 'code_ptr'),
    general('cpsr', 32, 'cpsr_flags'),
  ],
};

const vector = (id: string, type: string, count: number): string =>
  `<vector id="${id}" type="${type}" count="${count}"/>`;

const FPU: Feature = {
  name: 'org.gnu.gdb.aarch64.fpu',
  types: `${vector('v2d', 'ieee_double', 2)}${vector('v2u', 'uint64', 2)}${vector('v4f', 'ieee_single', 4)}${vector('v4u', 'uint32', 4)}${vector('v8u', 'uint16', 8)}${vector('v16u', 'uint8', 16)}<union id="vn"><field name="d" type="v2d"/><field name="u" type="v2u"/><field name="f" type="v4f"/><field name="s" type="v4u"/><field name="h" type="v8u"/><field name="b" type="v16u"/><field name="q" type="uint128"/></union>`,
  registers: [
    ...range(32).map((n) => general(`v${n}`, 128, 'vn')),
    general('fpsr', 32, 'int'),
    general('fpcr', 32, 'int'),
  ],
};

const special = (name: string, vcpuName: string): Register => ({
  name,
  vcpuName,
  bits: 64,
  type: 'int',
  general: false,
});

/** Which bits of pointers hold their authentication code; the newer form, with kernel addresses. */
const PAUTH: Feature = {
  name: 'org.gnu.gdb.aarch64.pauth_v2',
  registers: [
    special('pauth_dmask', 'pac_mask2'),
    special('pauth_cmask', 'pac_mask0'),
    special('pauth_dmask_high', 'pac_mask3'),
    special('pauth_cmask_high', 'pac_mask1'),
  ],
};

/** What one asks for first when a kernel misbehaves. */
const SYSTEM_REGISTERS = [
  'SCTLR_EL1',
  'TTBR0_EL1',
  'TTBR1_EL1',
  'TCR_EL1',
  'MAIR_EL1',
  'VBAR_EL1',
  'ESR_EL1',
  'FAR_EL1',
  'ELR_EL1',
  'SPSR_EL1',
  'PAR_EL1',
  'CONTEXTIDR_EL1',
  'TPIDR_EL0',
  'TPIDR_EL1',
  'MPIDR_EL1',
];

const SYSTEM: Feature = {
  name: 'org.ringfence.aarch64.system',
  registers: SYSTEM_REGISTERS.map((name) => special(name, name)),
};

/** By which GDB knows that there are tags. */
const MTE: Feature = { name: 'org.gnu.gdb.aarch64.mte', registers: [special('tag_ctl', 'tag_ctl')] };

/** What PR_GET_TAGGED_ADDR_CTRL would say of EL0: tagged addresses on, TCF0, and the tags that IRG may choose. */
const tagControl: Computed = (vcpu) => {
  const mode = (vcpu.readRegister('SCTLR_EL1') >> 38n) & 3n;
  const included = ~vcpu.readRegister('GCR_EL1') & 0xffffn;
  return 1n | (mode << 1n) | (included << 3n);
};
const COMPUTED: Readonly<Record<string, Computed>> = { tag_ctl: tagControl };

/** The last one only with MTE: it moves no other's numbers. */
const FEATURES: readonly Feature[] = [CORE, FPU, PAUTH, SYSTEM, MTE];

/** By GDB's number. */
const REGISTERS: readonly Register[] = FEATURES.flatMap((feature) => feature.registers);
const GENERAL = REGISTERS.filter((register) => register.general);

function describe({ name, types, registers }: Feature): string {
  const rows = registers.map((r) => {
    const group = r.general ? '' : ' group="system"';
    return `<reg name="${r.name}" bitsize="${r.bits}" type="${r.type}"${group}/>`;
  });
  return `<feature name="${name}">${types ?? ''}${rows.join('')}</feature>`;
}

/** target.xml. */
export function targetXml(hasMte: boolean): string {
  const features = FEATURES.filter((feature) => hasMte || feature !== MTE).map(describe);
  return `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>aarch64</architecture>${features.join('')}</target>`;
}

function littleEndian(value: bigint, bits: number): Uint8Array {
  const bytes = new Uint8Array(bits / 8);
  for (let n = 0, rest = value; n < bytes.length; n++, rest >>= 8n) bytes[n] = Number(rest & 0xffn);
  return bytes;
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** In hex, or x's for what a debugger may not see. Undefined for a number without a register. */
export function readRegister(vcpu: VcpuDebug, isOpen: boolean, number: number): string | undefined {
  const register = REGISTERS[number];
  return register && read(vcpu, isOpen, register);
}

function read(vcpu: VcpuDebug, isOpen: boolean, { vcpuName, bits }: Register): string {
  if (!isOpen) return 'x'.repeat(bits / 4);
  const value = COMPUTED[vcpuName]?.(vcpu) ?? vcpu.readRegister(vcpuName);
  return toHex(littleEndian(value, bits));
}

/** False where the number or the digits are wrong. Throws Errno as the vCPU does. */
export function writeRegister(vcpu: VcpuDebug, number: number, digits: string): boolean {
  const register = REGISTERS[number];
  const bytes = fromHex(digits);
  if (!register || register.vcpuName in COMPUTED || bytes?.length !== register.bits / 8) return false;
  vcpu.writeRegister(register.vcpuName, fromLittleEndian(bytes));
  return true;
}

/** The g packet. */
export function readAll(vcpu: VcpuDebug, isOpen: boolean): string {
  return GENERAL.map((register) => read(vcpu, isOpen, register)).join('');
}

/** The G packet; a shorter one leaves the last registers alone. */
export function writeAll(vcpu: VcpuDebug, digits: string): boolean {
  const bytes = fromHex(digits);
  if (!bytes) return false;
  const values: { register: Register; value: bigint }[] = [];
  let at = 0;
  for (const register of GENERAL) {
    if (at === bytes.length) break;
    const end = at + register.bits / 8;
    if (end > bytes.length) return false;
    values.push({ register, value: fromLittleEndian(bytes.subarray(at, end)) });
    at = end;
  }
  if (at !== bytes.length) return false;
  for (const { register, value } of values) vcpu.writeRegister(register.vcpuName, value);
  return true;
}
