// The small hosts that the checker explores to the end: two VMs and three frames each, furnished so that together
// every transition, every actor and every kind of memory occurs. It only describes; world.ts builds.

export interface VmPlan {
  readonly isProtected: boolean;
  readonly mte: boolean;
  /** Slot 0 is dirty-logged. */
  readonly logged: boolean;
  /** Pages of the process's anonymous memory that slot 0 shows, from GFN 0 on. */
  readonly anonymous: number;
  /** Pages of a guest_memfd behind slot 1, from GFN MEMFD_GFN on. */
  readonly memfd: number;
  /** The guest uses MMIO guard. */
  readonly guard: boolean;
  /** What its IOMMU domain does when a mapped page is converted; undefined: no assigned device. */
  readonly iommu: 'refuse' | 'unmap' | undefined;
}

export interface Scene {
  readonly name: string;
  readonly says: string;
  readonly frames: number;
  readonly vms: readonly VmPlan[];
  /** Both VMs belong to one process and show the same memory. */
  readonly oneProcess: boolean;
  /** The hypervisor and a secure partition take part. */
  readonly hypervisor: boolean;
  /** The host's kernel swaps. */
  readonly swap: boolean;
  /** The host's kernel merges equal pages. */
  readonly merge: boolean;
  /** A hostile host calls EL2 with every frame and every GFN. */
  readonly hostile: boolean;
  /** VMs end. */
  readonly ends: boolean;
  /** Slots are deleted and made again. */
  readonly slots: boolean;
  /** Each VM may be migrated into the other's place. */
  readonly migration: boolean;
}

export const MEMFD_GFN = 16;
/** Where nothing stands: a device that the guest may guard, and one that it never does. */
export const DEVICE_GFNS = [64, 65] as const;

/** GFNs at which something of the VM can stand. */
export const gfnsOf = ({ anonymous, memfd }: VmPlan): number[] => [
  ...Array.from({ length: anonymous }, (_, n) => n),
  ...Array.from({ length: memfd }, (_, n) => MEMFD_GFN + n),
];

const VM: VmPlan = {
  isProtected: false,
  mte: false,
  logged: false,
  anonymous: 0,
  memfd: 0,
  guard: false,
  iommu: undefined,
};

const SCENE = {
  frames: 3,
  oneProcess: false,
  hypervisor: false,
  swap: false,
  merge: false,
  hostile: false,
  ends: true,
  slots: false,
  migration: false,
};

export const SCENES: readonly Scene[] = [
  {
    ...SCENE,
    name: 'protected',
    says: 'two protected VMs, each with an assigned device',
    hostile: true,
    vms: [
      { ...VM, isProtected: true, anonymous: 1, iommu: 'refuse' },
      { ...VM, isProtected: true, anonymous: 1, iommu: 'refuse' },
    ],
  },
  {
    ...SCENE,
    name: 'hypervisor',
    says: 'a protected and an ordinary VM; the hypervisor and a secure partition take and give pages too',
    hypervisor: true,
    ends: false,
    hostile: true,
    vms: [
      { ...VM, isProtected: true, anonymous: 1 },
      { ...VM, anonymous: 1, iommu: 'refuse' },
    ],
  },
  {
    ...SCENE,
    name: 'ordinary',
    says: "two ordinary VMs on the same process's memory, one logged, one with MTE; swapping and merging",
    oneProcess: true,
    swap: true,
    merge: true,
    vms: [
      { ...VM, anonymous: 2, mte: true },
      { ...VM, anonymous: 2, logged: true },
    ],
  },
  {
    ...SCENE,
    name: 'memfd',
    says: 'two VMs with a guest_memfd each that convert in place; one with an assigned device',
    vms: [
      { ...VM, memfd: 1, mte: true, iommu: 'refuse' },
      { ...VM, memfd: 1 },
    ],
  },
  {
    ...SCENE,
    name: 'mixed',
    says: 'a protected VM on a guest_memfd, whose device gives way to conversion, beside an ordinary VM',
    vms: [
      { ...VM, isProtected: true, mte: true, memfd: 1, iommu: 'unmap' },
      { ...VM, anonymous: 1 },
    ],
  },
  {
    ...SCENE,
    name: 'guarded',
    says: 'a protected VM, and one that enrols with the MMIO guard; slots come and go',
    slots: true,
    vms: [
      { ...VM, isProtected: true, anonymous: 1, guard: true },
      { ...VM, anonymous: 1, guard: true },
    ],
  },
  {
    ...SCENE,
    name: 'migration',
    says: "two protected VMs, one logged, that are migrated into each other's place with tags and guard",
    migration: true,
    ends: false,
    vms: [
      { ...VM, isProtected: true, mte: true, anonymous: 1, guard: true },
      { ...VM, isProtected: true, mte: true, anonymous: 1, guard: true, logged: true },
    ],
  },
];
