// What Ringfence can do beyond upstream KVM, each switched on for one VM (docs/DIFFERENCES.md). Without them the
// API answers as Linux 7.2 does.

export interface Extensions {
  /** MTE for VMs whose memory is in a guest_memfd. */
  readonly memfdMte: boolean;
  /** Dirty logging of guest_memfd slots. */
  readonly memfdDirtyLog: boolean;
  /** Private and shared pages of a guest_memfd convert in place; memory attributes. */
  readonly conversion: boolean;
  /** Stores of the VMM and of devices are in the dirty set too. */
  readonly logForeignWrites: boolean;
  /** MTE and dirty logging for protected VMs. */
  readonly protectedMte: boolean;
  readonly protectedDirtyLog: boolean;
  /** MMIO guard: enforced for protected VMs, and for others that enrol. */
  readonly mmioGuard: boolean;
  /** The VM's owner lets a debugger see private memory. */
  readonly debugPrivate: boolean;
}

export const UPSTREAM: Extensions = {
  memfdMte: false,
  memfdDirtyLog: false,
  conversion: false,
  logForeignWrites: false,
  protectedMte: false,
  protectedDirtyLog: false,
  mmioGuard: false,
  debugPrivate: false,
};

/** What `ringfence run` uses. A debugger sees private memory only where its owner says so, even here. */
export const EVERYTHING: Extensions = {
  memfdMte: true,
  memfdDirtyLog: true,
  conversion: true,
  logForeignWrites: true,
  protectedMte: true,
  protectedDirtyLog: true,
  mmioGuard: true,
  debugPrivate: false,
};
