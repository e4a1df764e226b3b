export { donateMeasured, type MeasuredRange } from './payload.ts';
export { Sha256 } from './sha256.ts';
