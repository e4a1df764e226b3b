export { DESIGNS, type Design } from './design.ts';
export { formatOutcomes } from './report.ts';
export { GRANULES, type Outcome, runDesign } from './scenario.ts';
