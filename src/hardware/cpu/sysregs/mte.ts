// Memory tagging registers (Arm ARM D23.2: GCR, RGSR, TFSR, TFSRE0).

import { type RegisterRow, stored } from './row.ts';

export const mteRegisters: readonly RegisterRow[] = [
  stored('RGSR_EL1', [3, 0, 1, 0, 5], { feature: 'mte', mask: 0x00ff_ff0fn }),
  stored('GCR_EL1', [3, 0, 1, 0, 6], { feature: 'mte', mask: 0x1_ffffn }),
  stored('TFSR_EL1', [3, 0, 5, 6, 0], { feature: 'mte', mask: 3n }),
  stored('TFSRE0_EL1', [3, 0, 5, 6, 1], { feature: 'mte', mask: 3n }),
];
