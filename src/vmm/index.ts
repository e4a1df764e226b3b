// The public face of the VMM: a machine, its devices for those who want to plug in their own, and its monitors.

export * from './devices/index.ts';
export * from './machine/index.ts';
export * from './monitor/index.ts';
