// A GICv3 as slow and plain as it can be: one record an interrupt, everything recomputed at each question. It
// follows IHI0069 4.1 (lifecycle), 4.6 (groups) and 4.8 (priorities) and shares no code with the real one.

interface Interrupt {
  readonly intid: number;
  /** The vCPU of a private interrupt; a shared one's target. */
  target: number;
  enabled: boolean;
  latched: boolean;
  wire: boolean;
  active: boolean;
  edge: boolean;
  group: 0 | 1;
  priority: number;
}

interface Cpu {
  pmr: number;
  bpr: [number, number];
  enable: [boolean, boolean];
  cbpr: boolean;
  eoiMode: boolean;
  /** Group priorities of what is active, per group. */
  active: [Set<number>, Set<number>];
}

export class Model {
  readonly cpus: Cpu[] = [];
  distributor: [boolean, boolean] = [false, false];
  private readonly privates: Interrupt[][] = [];
  private readonly shared: Interrupt[] = [];

  constructor(vcpus: number, spis: number) {
    const fresh = (intid: number, target: number): Interrupt => ({
      intid,
      target,
      enabled: intid < 16,
      latched: false,
      wire: false,
      active: false,
      edge: intid < 16,
      group: 1,
      priority: 0,
    });
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      this.privates.push(Array.from({ length: 32 }, (_, intid) => fresh(intid, vcpu)));
      this.cpus.push({
        pmr: 0,
        bpr: [2, 3],
        enable: [false, false],
        cbpr: false,
        eoiMode: false,
        active: [new Set(), new Set()],
      });
    }
    for (let n = 0; n < spis; n++) this.shared.push(fresh(32 + n, 0));
  }

  interrupt(vcpu: number, intid: number): Interrupt {
    return intid < 32 ? this.privates[vcpu][intid] : this.shared[intid - 32];
  }

  exists(intid: number): boolean {
    return intid < 32 + this.shared.length;
  }

  setWire(vcpu: number, intid: number, level: boolean): void {
    const it = this.interrupt(vcpu, intid);
    if (level && !it.wire && it.edge) it.latched = true;
    it.wire = level;
  }

  pending(it: Interrupt): boolean {
    return it.latched || (!it.edge && it.wire);
  }

  highest(vcpu: number): Interrupt | undefined {
    const cpu = this.cpus[vcpu];
    const candidates = [...this.privates[vcpu], ...this.shared].filter(
      (it) =>
        it.target === vcpu &&
        this.pending(it) &&
        it.enabled &&
        !it.active &&
        this.distributor[it.group] &&
        cpu.enable[it.group],
    );
    return candidates.sort((a, b) => a.priority - b.priority || a.intid - b.intid)[0];
  }

  running(vcpu: number): number {
    const { active } = this.cpus[vcpu];
    return Math.min(0xff, ...active[0], ...active[1]);
  }

  signalled(vcpu: number): Interrupt | undefined {
    const it = this.highest(vcpu);
    if (!it || it.priority >= this.cpus[vcpu].pmr) return undefined;
    const running = this.running(vcpu);
    if (running === 0xff) return it;
    const mask = this.groupMask(vcpu, it.group);
    return (it.priority & mask) < (running & mask) ? it : undefined;
  }

  acknowledge(vcpu: number, group: 0 | 1): number {
    const it = this.signalled(vcpu);
    if (it?.group !== group) return 1023;
    this.cpus[vcpu].active[group].add(it.priority & this.groupMask(vcpu, group));
    it.active = true;
    it.latched = false;
    return it.intid;
  }

  end(vcpu: number, group: 0 | 1, intid: number): void {
    if (!this.exists(intid)) return;
    const cpu = this.cpus[vcpu];
    const running = this.running(vcpu);
    // Of equal priorities in both groups, Group 0 is the one that runs.
    const owner = cpu.active[0].has(running) ? 0 : 1;
    if (running === 0xff || owner !== group) return;
    cpu.active[group].delete(running);
    if (!cpu.eoiMode) this.interrupt(vcpu, intid).active = false;
  }

  deactivate(vcpu: number, intid: number): void {
    if (this.cpus[vcpu].eoiMode && this.exists(intid)) this.interrupt(vcpu, intid).active = false;
  }

  private groupMask(vcpu: number, group: 0 | 1): number {
    const { cbpr, bpr } = this.cpus[vcpu];
    const low = group === 0 || cbpr ? bpr[0] + 1 : bpr[1];
    return 0x100 - 2 ** low;
  }
}
