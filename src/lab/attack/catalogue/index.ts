// The catalogue, in the order in which it is shown.

import type { Attack } from '../attack.ts';
import { debuggerAttacks } from './debugger.ts';
import { deviceAttacks } from './device.ts';
import { guestAttacks } from './guest.ts';
import { hostKernelAttacks } from './host-kernel.ts';
import { migrationAttacks } from './migration.ts';
import { mmioAttacks } from './mmio.ts';
import { ringAttacks } from './ring.ts';
import { secondVmAttacks } from './second-vm.ts';
import { vmmAttacks } from './vmm.ts';

export const ATTACKS: readonly Attack[] = [
  ...vmmAttacks,
  ...mmioAttacks,
  ...hostKernelAttacks,
  ...deviceAttacks,
  ...ringAttacks,
  ...secondVmAttacks,
  ...debuggerAttacks,
  ...migrationAttacks,
  ...guestAttacks,
];
