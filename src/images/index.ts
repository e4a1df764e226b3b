export type { Progress } from './apt.ts';
export { CATALOGUE, type CatalogueEntry, findImage } from './catalogue.ts';
export { type CpioEntry, writeCpio } from './cpio.ts';
export { ImageError, type ImageErrorKind } from './error.ts';
export { type InitramfsOptions, makeInitramfs } from './initramfs.ts';
export { cachedImage, cacheFolder, type PulledImage, type PullOptions, pullImage } from './pull.ts';
