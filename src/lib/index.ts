export * from './address.ts';
export * from './disposable.ts';
export * from './errno.ts';
export * from './log.ts';
