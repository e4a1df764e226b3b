export * from './device.ts';
export * from './pl011.ts';
export * from './pl031.ts';
export * from './pl061.ts';
export * from './power-key.ts';
