export { audit } from './audit.ts';
export { Caches } from './caches.ts';
export {
  ACTORS,
  type Actor,
  type ActorKind,
  allowedFrame,
  decide,
  frameOf,
  OPERATIONS,
  type Operation,
  present,
  privateOwner,
  RULES,
  type Rule,
  type Verdict,
} from './decide.ts';
export { encode } from './encode.ts';
export { FRAME_DONATED, FRAME_FFA, FRAME_MERGED, FRAME_TAGGED, FRAME_VIEWED, FrameTable } from './frames.ts';
export {
  ENTRY_EXECUTE,
  ENTRY_MAY_WRITE,
  ENTRY_PRESENT,
  ENTRY_WRITE,
  entryFrame,
  entryState,
  Guest,
  POISON_ENTRY,
  type TlbInvalidator,
} from './guest.ts';
export { History, type HistoryEntry } from './history.ts';
export type { Holder } from './holder.ts';
export {
  type Auditor,
  INVARIANTS,
  type Invariant,
  type InvariantId,
  type Report,
  type Violation,
} from './invariants.ts';
export { Ledger } from './ledger.ts';
export { PageTable } from './page-table.ts';
export type { Pinner } from './pinner.ts';
export type { MemoryPort, Refusal } from './port.ts';
export { type EmulationGuard, type Hole, Route, stations } from './route.ts';
export * from './states.ts';
export type { Need, Site, Transition } from './transition.ts';
export * from './transitions/index.ts';
export { View } from './view.ts';
