export type { Architecture, Progress } from './apt.ts';
export { CATALOGUE, type CatalogueEntry, findImage, PC_IMAGE } from './catalogue.ts';
export { type CpioEntry, writeCpio } from './cpio.ts';
export { ImageError, type ImageErrorKind } from './error.ts';
export { type InitramfsOptions, makeInitramfs } from './initramfs.ts';
export { openRelease, type ReleaseOptions, unpackPackages } from './packages.ts';
export { cachedImage, cacheFolder, type PulledImage, type PullOptions, pullImage } from './pull.ts';
