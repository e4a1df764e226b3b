export type {
  CpuLines,
  ExternalSystemRegisters,
  InterruptController,
  MsiTarget,
  RegisterWindow,
} from './controller.ts';
export { affinityOf } from './controller.ts';
export { GicV2, type GicV2Options, type GicV2State } from './gicv2/gicv2.ts';
export { GicV3, type GicV3Options, type GicV3State } from './gicv3/gicv3.ts';
