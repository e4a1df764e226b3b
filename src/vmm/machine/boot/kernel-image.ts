// What every kernel format comes down to: bytes at guest-physical addresses, and where to start.

export interface RamRange {
  readonly base: number;
  readonly size: number;
}

/** A kernel, ready to be copied into memory. All addresses are guest-physical. */
export interface KernelImage {
  readonly format: 'image' | 'elf';
  readonly segments: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  readonly entry: number;
  readonly start: number;
  /** The first byte after everything that the kernel occupies, its zero-initialised data included. */
  readonly end: number;
}
