export { type Capture, type Difference, differencesOf } from './capture.ts';
export { copyOnWrite } from './copy-on-write.ts';
export {
  type Divergence,
  eagerJit,
  type LockstepOptions,
  type LockstepResult,
  lockstep,
} from './lockstep.ts';
export { comparedFrom } from './memory.ts';
export { formatDivergence } from './report.ts';
export { WatchedVcpu, type Watcher } from './watched-vcpu.ts';
