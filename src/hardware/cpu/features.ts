// Which optional parts of the architecture a vCPU has. Everything else that it advertises is fixed; see
// sysregs/identification.ts, which derives the ID registers from this and from nothing else.

export interface CpuFeatures {
  /** FEAT_MTE3. Off: MTE registers and instructions are UNDEFINED and no page is checked. */
  readonly mte: boolean;
  /** FEAT_PAuth2 and FEAT_FPAC with an implementation-defined algorithm. */
  readonly pauth: boolean;
  readonly bti: boolean;
  readonly rng: boolean;
  /** The GICv3 CPU interface's system registers (answered by ExternalSystemRegisters). Off for a GICv2 board. */
  readonly gicv3: boolean;
  readonly pmu: boolean;
}

export const DEFAULT_FEATURES: CpuFeatures = {
  mte: true,
  pauth: true,
  bti: true,
  rng: true,
  gicv3: true,
  pmu: true,
};
