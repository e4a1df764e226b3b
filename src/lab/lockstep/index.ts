export type { Capture, Difference } from './capture.ts';
export { copyOnWrite } from './copy-on-write.ts';
export { type Divergence, type LockstepOptions, type LockstepResult, lockstep } from './lockstep.ts';
export { formatDivergence } from './report.ts';
