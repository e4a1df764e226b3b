export { type GuardedPage, MAX_GUARDED_PAGES, MmioGuard, type SavedGuard } from './mmio-guard.ts';
