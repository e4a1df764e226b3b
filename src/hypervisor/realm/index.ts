export { HASH_SHA_256, Measurements, type RealmParameters } from './measurement.ts';
export { PERSONALIZATION_BYTES, RealmMonitor, type RealmPages } from './monitor.ts';
export {
  RealmSpace,
  RIPAS_DESTROYED,
  RIPAS_DEV,
  RIPAS_EMPTY,
  RIPAS_NAMES,
  RIPAS_RAM,
  type Ripas,
} from './ripas.ts';
