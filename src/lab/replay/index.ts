export {
  cpuRunners,
  type GuestResult,
  type GuestRunner,
  type GuestStep,
  type MakeGuestRunner,
  portRunners,
  type Runners,
} from './guest-runner.ts';
export { RecordingError } from './recording.ts';
export { type Difference, formatReplay, type ReplayOptions, type ReplayResult, replay } from './replay.ts';
