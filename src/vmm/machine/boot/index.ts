export { type FileSource, type LoadedFile, loadFile } from './files.ts';
export { parseKernel } from './kernel.ts';
export type { KernelImage, RamRange } from './kernel-image.ts';
export { type Placement, placeBootFiles } from './placement.ts';
