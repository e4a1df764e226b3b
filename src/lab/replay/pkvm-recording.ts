// One line of a recording of a real pKVM (test/golden/kvm-recordings.md). Numbers in quotes are hexadecimal.

import type { AskedFields } from './recording.ts';

interface Line<Op extends string> {
  readonly op: Op;
}

/** What KVM_RUN came to besides the command's end. */
interface RunResult {
  readonly run?: number;
  readonly exit?: number;
  readonly mmio?: string;
  readonly w?: number;
  readonly x?: readonly string[];
  readonly esr?: string;
  readonly far?: string;
}

export type PkvmCall =
  | (Line<'vm'> & { readonly seq: number; readonly protected: 0 | 1; readonly init: readonly string[] })
  | (Line<'setup'> & { readonly slots: readonly number[]; readonly vcpu: number; readonly pc: number })
  | (Line<'hvc'> &
      RunResult & { readonly fn: string; readonly x1: string; readonly x2: string; readonly x3: string })
  | (Line<'gload'> & RunResult & { readonly gpa: string })
  | (Line<'gstore'> & RunResult & { readonly gpa: string; readonly val: string })
  | (Line<'vmm'> & { readonly page: number; readonly w: string; readonly v?: string; readonly sig?: number })
  | (Line<'hostkernel'> & { readonly page: number; readonly write: 0 | 1; readonly r: number })
  | (Line<'gup'> & { readonly page: number; readonly r: number })
  | (Line<'region'> & {
      readonly what: 'delete' | 'move' | 'logdirty' | 'identical' | 'readonly';
      readonly r: number;
    })
  | (Line<'reslot'> & { readonly r: number })
  | (Line<'unslot3'> & { readonly r: number })
  | (Line<'after'> & { readonly mem: readonly string[] })
  | Line<'end'>;

/** What is asked in each line. */
export const PKVM_ASKED_FIELDS: Readonly<Record<PkvmCall['op'], AskedFields>> = {
  vm: { numbers: ['protected'] },
  setup: {},
  hvc: { hex: ['fn', 'x1', 'x2', 'x3'] },
  gload: { hex: ['gpa'] },
  gstore: { hex: ['gpa', 'val'] },
  vmm: { hex: ['w'], numbers: ['page'] },
  hostkernel: { numbers: ['page', 'write'] },
  gup: { numbers: ['page'] },
  region: {},
  reslot: {},
  unslot3: {},
  after: {},
  end: {},
};

/** The fields of each op that are its answer. */
export const PKVM_ANSWER_FIELDS: Readonly<Record<PkvmCall['op'], readonly string[]>> = {
  vm: [],
  setup: ['slots', 'vcpu', 'pc'],
  hvc: ['run', 'exit', 'x', 'esr', 'far'],
  gload: ['run', 'exit', 'mmio', 'w', 'x', 'esr', 'far'],
  gstore: ['run', 'exit', 'mmio', 'w', 'x', 'esr', 'far'],
  vmm: ['v', 'sig'],
  hostkernel: ['r'],
  gup: ['r'],
  region: ['r'],
  reslot: ['r'],
  unslot3: ['r'],
  after: ['mem'],
  end: [],
};
