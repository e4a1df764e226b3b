export type {
  CpuLines,
  ExternalSystemRegisters,
  InterruptController,
  MsiTarget,
  RegisterWindow,
} from './controller.ts';
export { affinityOf } from './controller.ts';
export { GicV3, type GicV3Options, type GicV3State } from './gicv3/gicv3.ts';
