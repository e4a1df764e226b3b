// The catalogue of attacks, run against live guests under each protection.

export type { Attack, Attacker, Attempt, Fate } from './attack.ts';
export { ATTACKS } from './catalogue/index.ts';
export { perform, type Result, type Verdict } from './judge.ts';
export { MODES, type Mode } from './modes.ts';
export { cellOf, formatCatalogue, formatMatrix, formatStory, summary } from './report.ts';
export { type NamedRule, STOPPING_RULES } from './rules.ts';
export type { SceneOptions } from './scene.ts';
