// What a machine did, as text by which two runs can be compared: a digest of all registers of a vCPU every few thousand
// instructions and where it waits or leaves, and of all memory now and then.

import { createHash } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { PhysicalMemory, Vm } from '../../src/hypervisor/index.ts';
import { type Capture, comparedFrom, WatchedVcpu, type Watcher } from '../../src/lab/lockstep/index.ts';
import type { Machine, MachineEnd, MachineVcpu } from '../../src/vmm/index.ts';

/** The first line of a trace. */
export interface TraceHeader {
  /** The file that the test is in, from the project's root. */
  readonly file: string;
  readonly test: string;
  /** Which of the test's machines it is, from 1. */
  readonly machine: number;
  /** Why nothing follows this line. */
  readonly untraced?: string | undefined;
  /** Digests of its boot files and disks, and its other options. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

type WatchedCpu = Parameters<Watcher['keep']>[0];
type Registers = Capture['registers'];

/** Instructions of a vCPU between two lines. */
const SLICE = 20_000;
/** As many at least, since a guest may leave every few instructions. */
const SHORTEST = 1000;
/** Instructions of all vCPUs between two looks at memory. */
const MEMORY_EVERY = 200e6;
const CHUNK = 1 << 20;
const ZEROS = new Uint8Array(CHUNK);
const FLUSH_LINES = 4096;

const words = new BigUint64Array(1024);

/** Of all that lockstep compares (lab/lockstep/capture.ts). */
function digestOf(registers: Registers): string {
  const { x, v, pc, pstate, fpcr, fpsr, spEl0, spEl1, systemRegisters, event, random, mmio } = registers;
  let n = 0;
  const put = (value: bigint | number): void => {
    words[n++] = BigInt(value);
  };
  x.forEach(put);
  for (const value of v) {
    put(value);
    put(value >> 64n);
  }
  for (const value of [pc, pstate, spEl0, spEl1, random]) put(value);
  for (const value of [fpcr, fpsr, registers.instructions, Number(event), mmio.answers.length]) put(value);
  for (const name in systemRegisters) put(systemRegisters[name] as bigint);
  return short(createHash('sha256').update(new Uint8Array(words.buffer, 0, 8 * n)));
}

function memoryDigest(memory: PhysicalMemory): string {
  const hash = createHash('sha256');
  for (let at = comparedFrom(memory); at < memory.u8.length; at += CHUNK) {
    const part = memory.u8.subarray(at, at + CHUNK);
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) hash.update(`${at} `).update(part);
  }
  return short(hash);
}

const short = (hash: ReturnType<typeof createHash>): string => hash.digest('hex').slice(0, 16);

export class Trace implements Watcher {
  private readonly file: string;
  private readonly shown: number | undefined;
  private waiting: string[] = [];
  private lines = 0;
  private isOpen = true;
  private memory: PhysicalMemory | undefined;
  private instructions = 0;
  private memoryDue = MEMORY_EVERY;
  /** By vCPU: its instructions at its last line. */
  private last: number[] = [];

  /** `shown`: the number of a line whose registers are written to `file`.registers, the header's being 0. */
  constructor(file: string, header: TraceHeader, shown?: number) {
    this.file = file;
    this.shown = shown;
    writeFileSync(file, '');
    this.write(JSON.stringify(header));
    if (header.untraced !== undefined) this.close();
  }

  /** Follows a VM that was just made, at power-on and at each reset: gives the vCPUs to run in place of its own. */
  follow(prepared: object): MachineVcpu[] {
    const { vm, memory } = prepared as { vm?: unknown; memory?: unknown };
    if (!(vm instanceof Vm) || !(memory instanceof PhysicalMemory))
      throw new Error('a machine with a stand-in for its VM cannot be traced');
    this.memory = memory;
    this.last = [];
    this.write('power-on');
    return vm.vcpus.map((vcpu) => new WatchedVcpu(vcpu, this));
  }

  /** Writes how the machine ends, where that is the guest's doing. */
  expectEnd(machine: Machine): void {
    machine.on('end', ({ reason, status, message }: MachineEnd) => {
      if (reason === 'quit') return;
      this.writeMemory();
      this.write(`end ${reason} ${status} ${message}`);
      this.close();
    });
  }

  nextStop({ instructions }: WatchedCpu): number {
    return (Math.floor(instructions / SLICE) + 1) * SLICE;
  }

  ran(instructions: number): void {
    this.instructions += instructions;
  }

  keep({ index, cpu, instructions }: WatchedCpu): void {
    if (!this.isOpen || instructions < (this.last[index] ?? 0) + SHORTEST) return;
    this.last[index] = instructions;
    const registers = cpu.save();
    if (this.lines === this.shown) {
      const capture: Capture = { vcpu: index, instructions, registers, memory: undefined };
      writeFileSync(`${this.file}.registers`, textOf(capture));
    }
    this.write(`${index} ${instructions} ${registers.pc.toString(16)} ${digestOf(registers)}`);
    if (this.instructions < this.memoryDue) return;
    this.memoryDue += MEMORY_EVERY;
    this.writeMemory();
  }

  /** What comes after is not written: with the end of its test a machine goes on for as long as it takes to end it. */
  close(): void {
    this.isOpen = false;
    appendFileSync(this.file, this.waiting.join(''));
    this.waiting = [];
  }

  private writeMemory(): void {
    if (this.isOpen && this.memory) this.write(`memory ${this.instructions} ${memoryDigest(this.memory)}`);
  }

  private write(line: string): void {
    if (!this.isOpen) return;
    this.lines++;
    this.waiting.push(`${line}\n`);
    if (this.waiting.length < FLUSH_LINES) return;
    appendFileSync(this.file, this.waiting.join(''));
    this.waiting = [];
  }
}

/** A capture as text, and back. */
export const textOf = (capture: Capture): string =>
  JSON.stringify(capture, (_, value: unknown) =>
    typeof value === 'bigint' ? `0x${value.toString(16)}` : value,
  );
export const captureFrom = (text: string): Capture =>
  JSON.parse(text, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith('0x') ? BigInt(value) : value,
  ) as Capture;
