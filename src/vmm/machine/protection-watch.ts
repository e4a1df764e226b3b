// What a protected guest has done with its protection, and whether its kernel knows of it at all. A kernel that does
// not announce its devices gets an abort from the first of them, usually before it has a console to say so: then it
// panics unseen, and spins. This is where a person learns why.

/** A protected VM or a realm, as far as its VMM may know. */
export interface ProtectionStatus {
  readonly kind: 'pkvm' | 'realm';
  /** The guest's kernel has shown that it knows of its protection. */
  readonly isKnown: boolean;
  /** Device pages that the guest has announced to the MMIO guard. */
  readonly guardedPages: number;
  /** Accesses to devices where the guest has none; each of them was an abort for the guest. */
  readonly guardDenials: number;
  /** Where the last of them was. */
  readonly lastDenied: number | undefined;
  /** Pages of the guest's alone, and pages that it has shared with the host. */
  countPages(): { readonly private: number; readonly shared: number };
  /** What the guest started from: kernel, initial RAM disk, device tree; each with its digest. */
  payload(): readonly { readonly address: number; readonly pages: number; readonly sha256: string }[];
  /** Of a realm: its initial measurement, in hexadecimal. */
  readonly initialMeasurement?: string;
}

/** How a kernel shows that it does not know, and what it lacks. */
const LACKS: Readonly<Record<ProtectionStatus['kind'], string>> = {
  pkvm:
    'without a call to the MMIO guard; take a kernel with CONFIG_ARM_PKVM_GUEST and CONFIG_DMA_RESTRICTED_POOL ' +
    '(Linux 6.12 or later), and no earlycon',
  realm:
    'as if it were its own, and never called the Realm Services Interface; take a kernel with CCA support (Linux 6.13 ' +
    'or later; here debian-13-backports)',
};

/** Guest time in which a kernel that survives the abort goes idle or ends. */
const SPIN_NS = 100e6;

export class ProtectionWatch {
  private deniedAt: number | undefined;
  /** Since the first denial: it can live with that. */
  private wasIdle = false;

  /** Between two slices; `idle`: all vCPUs wait. */
  saw(status: ProtectionStatus, idle: boolean, now: number): void {
    if (status.guardDenials === 0) return;
    this.deniedAt ??= now;
    if (idle) this.wasIdle = true;
  }

  /** Why the guest cannot go on, in one sentence; `ended`: it has given up by itself. */
  verdict(status: ProtectionStatus, now: number, ended: boolean): string | undefined {
    const { guardDenials, isKnown, kind, lastDenied = 0 } = status;
    if (guardDenials === 0 || isKnown || this.wasIdle) return undefined;
    if (!ended && (this.deniedAt === undefined || now - this.deniedAt < SPIN_NS)) return undefined;
    return (
      `the guest's kernel does not know that it is protected: it used the device at 0x${lastDenied.toString(16)} ` +
      LACKS[kind]
    );
  }
}
