// Boots Linux as a guest that does not trust its host, with the hypervisor's own view of it at hand.

import { Vm } from '../../src/hypervisor/index.ts';
import { Machine, type MachineOptions } from '../../src/vmm/index.ts';
import { prepareVm } from '../../src/vmm/machine/prepare-vm.ts';
import { drive, type Guest } from './drive.ts';
import type { BootFiles } from './kernels.ts';

export interface Confidential {
  readonly guest: Guest;
  readonly made: Machine;
  readonly vm: Vm;
  /** Warnings and errors of the VMM's. */
  readonly log: string[];
}

export async function bootConfidential(
  protect: 'pkvm' | 'realm',
  from: BootFiles,
  options: Partial<MachineOptions>,
): Promise<Confidential> {
  const log: string[] = [];
  let vm: Vm | undefined;
  const made = await Machine.create(
    {
      ...from,
      protect,
      log: (level, source, message) => {
        if (level === 'warn' || level === 'error') log.push(`${source}: ${message}`);
      },
      ...options,
    },
    (config) => {
      const prepared = prepareVm(config);
      if (prepared.vm instanceof Vm) vm = prepared.vm;
      return prepared;
    },
  );
  if (!vm) throw new Error('the machine has another VM');
  const guest = drive(made);
  return { guest, made, vm, log };
}
