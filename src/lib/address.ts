// Branded addresses: a guest-physical address is not a host-virtual one, and the compiler knows.
// All are plain numbers (every address space here is at most 52 bits wide, so a double holds it exactly),
// except guest-virtual addresses, whose 64 bits are kept as bigint off the hot paths.

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** A guest-physical (intermediate physical) address, in bytes. KVM says GPA, the Arm ARM says IPA. */
export type Gpa = Branded<'Gpa'>;
/** An address in the VMM's own address space, in bytes (KVM's userspace_addr). */
export type Hva = Branded<'Hva'>;
/** An address as a device emits it, before its IOMMU domain, in bytes. */
export type Iova = Branded<'Iova'>;
/** The index of a host frame of 4 KiB. */
export type FrameNumber = Branded<'FrameNumber'>;
/** A byte offset into the linear memory that holds all frames; only hardware/ and hypervisor/ see these. */
export type HostOffset = Branded<'HostOffset'>;

export const gpa = (n: number): Gpa => n as Gpa;
export const hva = (n: number): Hva => n as Hva;
export const iova = (n: number): Iova => n as Iova;
export const frameNumber = (n: number): FrameNumber => n as FrameNumber;
export const hostOffset = (n: number): HostOffset => n as HostOffset;

/** Bytes in a page; the host's granule is 4 KiB whatever granule a guest uses at stage 1. */
export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;
/** Bytes that share one allocation tag (Arm ARM D10.1, the tag granule). */
export const TAG_GRANULE = 16;

export const isPageAligned = (n: number): boolean => n % PAGE_SIZE === 0;
export const pageAlignDown = (n: number): number => n - (n % PAGE_SIZE);
export const pageAlignUp = (n: number): number => pageAlignDown(n + PAGE_SIZE - 1);
