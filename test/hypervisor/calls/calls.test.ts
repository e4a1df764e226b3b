import { describe, expect, it } from 'vitest';
import {
  archFunctions,
  BOTH_CONDUITS,
  CallDispatcher,
  type CallOutcome,
  type Conduit,
  type FunctionTable,
  KVM_PTP,
  kvmVendorFunctions,
  psciFunctions,
  type StartResult,
  trngFunctions,
} from '../../../src/hypervisor/calls/index.ts';

const MINUS_1 = 0xffffffffffffffffn;
const error = (n: bigint): bigint => BigInt.asUintN(64, n);

/** Four vCPUs in two clusters, the first on; a call's registers are X0 and what follows, and come back. */
function bench(extra: FunctionTable[] = [], conduit: Conduit = 'hvc') {
  const on = [true, false, false, false];
  const mpidrs = [0n, 1n, 0x100n, 0x101n];
  const started: [bigint, bigint, bigint][] = [];
  const entropy = { left: 1000 };
  const power = {
    mpidrs,
    isOn: (vcpu: number) => on[vcpu],
    start(mpidr: bigint, entry: bigint, context: bigint): StartResult {
      const vcpu = mpidrs.indexOf(mpidr);
      if (vcpu < 0) return 'invalid-parameters';
      if (on[vcpu]) return 'already-on';
      on[vcpu] = true;
      started.push([mpidr, entry, context]);
      return 'success';
    },
    stop(vcpu: number) {
      on[vcpu] = false;
    },
  };
  const random = (into: Uint8Array) => {
    entropy.left -= into.length;
    into.fill(0xa5);
    return entropy.left >= 0;
  };
  const time = {
    wallClock: () => 0x17_4876_e800_1234n,
    virtualCounter: () => 0x5_0000_0007n,
    physicalCounter: () => 9n,
  };
  const calls = new CallDispatcher([
    archFunctions,
    psciFunctions(power),
    trngFunctions(random),
    kvmVendorFunctions(time),
    ...extra,
  ]);
  const call = (id: number, ...args: (bigint | number)[]) => {
    const x = Array.from({ length: 18 }, () => 0xdeadn);
    x[0] = BigInt(id);
    for (const [n, arg] of args.entries()) x[n + 1] = BigInt(arg);
    const outcome = calls.handle({
      conduit,
      vcpu: 0,
      regs: { get: (n) => x[n], set: (n, value) => (x[n] = value) },
    });
    return { outcome, x, x0: x[0] };
  };
  return { call, calls, on, started, entropy };
}

describe('calling convention, DEN0028', () => {
  it('an unknown function is -1, 64 bits wide in either convention', () => {
    const { call } = bench();
    for (const id of [0x84000fff, 0xc4000fff, 0xc4000190, 0, 0xffffffff]) expect(call(id).x0).toBe(MINUS_1);
  });

  it('the upper half of X0 is no part of the identifier', () => {
    const { calls } = bench();
    const x = [0xff00_1234_8400_0000n];
    const registers = {
      get: (n: number) => x[n],
      set: (n: number, value: bigint) => {
        x[n] = value;
      },
    };
    expect(calls.handle({ conduit: 'smc', vcpu: 0, regs: registers }).kind).toBe('handled');
    expect(x[0]).toBe(0x10003n);
  });

  it('results fill X0 to X3 and leave the rest', () => {
    expect(bench().call(0x84000000).x.slice(0, 6)).toEqual([0x10003n, 0n, 0n, 0n, 0xdeadn, 0xdeadn]);
  });

  it('a function by another conduit is not there', () => {
    const rsi: FunctionTable = () => [
      { id: 0xc4000190, name: 'RSI_ABI_VERSION', conduits: ['smc'], handle: (c) => c.result(0, c.arg(1), 7) },
    ];
    expect(bench([rsi], 'hvc').call(0xc4000190, 0x10000).x0).toBe(MINUS_1);
    expect(bench([rsi], 'smc').call(0xc4000190, 0x10000).x.slice(0, 3)).toEqual([0n, 0x10000n, 7n]);
  });

  it('two functions cannot have one identifier', () => {
    const again: FunctionTable = () => [
      { id: 0x84000000, name: 'MINE', conduits: BOTH_CONDUITS, handle: (c) => c.result(0) },
    ];
    expect(() => bench([again])).toThrow('MINE and PSCI_VERSION');
  });

  it('every listed function is a fast call with a name of its own', () => {
    const rows = bench().calls.list();
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const { id, name } of rows) expect(id >>> 31, name).toBe(1);
  });

  it('version 1.1; no workaround is required, and there is no SoC id nor stolen time', () => {
    const { call } = bench();
    expect(call(0x80000000).x0).toBe(0x10001n);
    expect(call(0x80000001, 0x80000000).x0).toBe(0n);
    expect(call(0x80000001, 0x80008000).x0).toBe(1n);
    expect(call(0x80000001, 0x80003fff).x0).toBe(1n);
    expect(call(0x80000001, 0x80007fff).x0).toBe(error(-2n));
    for (const id of [0x80000002, 0xc5000020, 0x80000004]) expect(call(0x80000001, id).x0).toBe(MINUS_1);
    for (const id of [0x80008000, 0x80007fff, 0x80003fff]) expect(call(id).x0).toBe(0n);
    for (const id of [0x80000002, 0xc5000020, 0xc5000021]) expect(call(id).x0).toBe(MINUS_1);
  });
});

describe('PSCI 1.3, DEN0022 chapter 5', () => {
  const exit = (reason: string, event?: string, flags?: bigint) =>
    event ? { kind: 'exit', reason, event, flags } : { kind: 'exit', reason };

  it.each<[string, number, CallOutcome | object]>([
    ['CPU_SUSPEND waits for an interrupt', 0x84000001, exit('wfi')],
    ['CPU_SUSPEND in 64 bits', 0xc4000001, exit('wfi')],
    ['CPU_OFF', 0x84000002, exit('cpu-off')],
    ['SYSTEM_OFF', 0x84000008, exit('system-event', 'shutdown', 0n)],
    ['SYSTEM_RESET', 0x84000009, exit('system-event', 'reset', 0n)],
  ])('%s', (_, id, outcome) => {
    expect(bench().call(id).outcome).toEqual(outcome);
  });

  it('PSCI_FEATURES knows what is there and SMCCC_VERSION, nothing else', () => {
    const { call } = bench();
    const there = [0, 1, 2, 3, 4, 6, 8, 9, 0xa, 0x12].map((n) => 0x84000000 + n);
    for (const id of [...there, 0xc4000001, 0xc4000003, 0xc4000004, 0xc4000012, 0x80000000]) {
      expect(call(0x8400000a, id).x0, id.toString(16)).toBe(0n);
    }
    for (const id of [0x84000005, 0x84000007, 0xc400000e, 0x84000050, 0xc4000000, 0x80000001, 0x86000000]) {
      expect(call(0x8400000a, id).x0, id.toString(16)).toBe(MINUS_1);
    }
  });

  it('SYSTEM_OFF2 hibernates; its features say so', () => {
    const { call } = bench();
    const off = exit('system-event', 'shutdown', 1n);
    expect([call(0x84000015, 0, 0).outcome, call(0xc4000015, 1, 0).outcome]).toEqual([off, off]);
    expect([call(0xc4000015, 2, 0).x0, call(0xc4000015, 1, 1).x0]).toEqual([error(-2n), error(-2n)]);
    expect([call(0x8400000a, 0x84000015).x0, call(0x8400000a, 0xc4000015).x0]).toEqual([1n, 1n]);
  });

  it('version 1.1 can be had, without SYSTEM_OFF2', () => {
    const power = { mpidrs: [0n], isOn: () => true, start: () => 'already-on' as const, stop: () => {} };
    const rows = psciFunctions(power, 1)({ has: () => true });
    expect(rows.some(({ id }) => id === 0x84000015)).toBe(false);
    expect(rows.some(({ id }) => id === 0xc4000012)).toBe(true);
  });

  it('MIGRATE_INFO_TYPE: no Trusted OS', () => {
    expect(bench().call(0x84000006).x0).toBe(2n);
  });

  it('CPU_ON starts an off vCPU once', () => {
    const { call, started } = bench();
    expect(call(0xc4000003, 1, 0xffff_0000_4000_0000n, 0x1122_3344_5566_7788n).x0).toBe(0n);
    expect(started).toEqual([[1n, 0xffff_0000_4000_0000n, 0x1122_3344_5566_7788n]]);
    expect(call(0xc4000003, 1, 0, 0).x0).toBe(error(-4n));
    expect(call(0xc4000003, 0, 0, 0).x0).toBe(error(-4n));
  });

  it('CPU_ON of nobody, or with reserved bits, is INVALID_PARAMETERS', () => {
    const { call, started } = bench();
    expect(call(0xc4000003, 2, 0, 0).x0).toBe(error(-2n));
    expect(call(0xc4000003, 0x8000_0001n, 0, 0).x0).toBe(error(-2n));
    expect(started).toEqual([]);
  });

  it('a 32-bit CPU_ON sees the low halves of its arguments', () => {
    const { call, started } = bench();
    expect(call(0x84000003, 0xdead_0000_0001n, 0xff_4000_0000n, 0x1_0000_0002n).x0).toBe(0n);
    expect(started).toEqual([[1n, 0x4000_0000n, 2n]]);
  });

  it('CPU_OFF switches the caller off', () => {
    const { call, on } = bench();
    call(0x84000002);
    expect(on[0]).toBe(false);
  });

  it('AFFINITY_INFO of a vCPU and of a cluster', () => {
    const { call, on } = bench();
    expect(call(0xc4000004, 0, 0).x0).toBe(0n);
    expect(call(0xc4000004, 1, 0).x0).toBe(1n);
    expect(call(0xc4000004, 0x1ff, 1).x0).toBe(1n);
    on[3] = true;
    expect(call(0xc4000004, 0x100, 1).x0).toBe(0n);
    expect(call(0xc4000004, 0, 3).x0).toBe(0n);
    expect(call(0xc4000004, 5, 0).x0).toBe(error(-2n));
    expect(call(0xc4000004, 0, 4).x0).toBe(error(-2n));
    expect(call(0xc4000004, 1n << 63n, 0).x0).toBe(error(-2n));
  });

  it('SYSTEM_RESET2 takes the warm reset and vendor types', () => {
    const { call } = bench();
    const reset = exit('system-event', 'reset', 1n);
    expect(call(0x84000012, 0).outcome).toEqual(reset);
    expect(call(0xc4000012, 0x80000000, 5).outcome).toEqual(reset);
    const refused = call(0xc4000012, 1);
    expect([refused.outcome, refused.x0]).toEqual([{ kind: 'handled' }, error(-2n)]);
  });
});

describe('TRNG 1.0, DEN0098', () => {
  it('has a version, features and a UUID', () => {
    const { call } = bench();
    expect(call(0x84000050).x0).toBe(0x10000n);
    for (const id of [0x84000050, 0x84000051, 0x84000052, 0x84000053, 0xc4000053])
      expect(call(0x84000051, id).x0).toBe(0n);
    for (const id of [0x84000000, 0x84000054, 0xc4000050, 0x86000053])
      expect(call(0x84000051, id).x0).toBe(MINUS_1);
    expect(
      call(0x84000052)
        .x.slice(0, 4)
        .every((word) => word > 0n && word <= 0xffffffffn),
    ).toBe(true);
  });

  it.each([
    [0xc4000053, 192, [0n, 0xa5a5a5a5a5a5a5a5n, 0xa5a5a5a5a5a5a5a5n, 0xa5a5a5a5a5a5a5a5n]],
    [0xc4000053, 68, [0n, 0n, 5n, 0xa5a5a5a5a5a5a5a5n]],
    [0xc4000053, 1, [0n, 0n, 0n, 1n]],
    [0x84000053, 96, [0n, 0xa5a5a5a5n, 0xa5a5a5a5n, 0xa5a5a5a5n]],
    [0x84000053, 33, [0n, 0n, 1n, 0xa5a5a5a5n]],
  ])('0x%s gives %i bits, right-aligned and nothing beyond them', (id, bits, x) => {
    expect(bench().call(id, bits).x.slice(0, 4)).toEqual(x);
  });

  it('refuses no bits and too many, and says when there is no entropy', () => {
    const { call, entropy } = bench();
    expect(call(0xc4000053, 0).x0).toBe(error(-2n));
    expect(call(0xc4000053, 193).x0).toBe(error(-2n));
    expect(call(0x84000053, 97).x0).toBe(error(-2n));
    entropy.left = 3;
    expect(call(0x84000053, 32).x0).toBe(error(-3n));
  });
});

describe('KVM vendor services, hypercalls.rst', () => {
  it('the UID is KVM', () => {
    expect(bench().call(0x8600ff01).x.slice(0, 4)).toEqual([
      0xb66fb428n,
      0xe911c52en,
      0x564bcaa9n,
      0x743a004dn,
    ]);
  });

  it('the feature bits follow from the registered functions', () => {
    expect(bench().call(0x86000000).x.slice(0, 4)).toEqual([3n, 0n, 0n, 0n]);
    const row = (id: number) => ({
      id,
      name: `f${id}`,
      conduits: ['hvc'] as const,
      handle: () => ({ kind: 'handled' }) as const,
    });
    const more: FunctionTable = () => [row(0xc6000002), row(0xc6000003), row(0xc6000004), row(0xc6000040)];
    expect(bench([more]).call(0x86000000).x.slice(0, 4)).toEqual([0x1fn, 0n, 1n, 0n]);
    expect(bench([more], 'smc').call(0x86000000).x0).toBe(3n);
  });

  it('an unannounced function is there without a feature bit', () => {
    const time = { wallClock: () => 0n, virtualCounter: () => 0n, physicalCounter: () => 0n };
    const calls = new CallDispatcher([kvmVendorFunctions(time, [KVM_PTP])]);
    const x = [0x86000000n];
    const registers = { get: (n: number) => x[n] ?? 0n, set: (n: number, v: bigint) => x.splice(n, 1, v) };
    calls.handle({ conduit: 'hvc', vcpu: 0, regs: registers });
    expect(x[0]).toBe(1n);
    expect(calls.has(KVM_PTP, 'hvc')).toBe(true);
  });

  it('PTP gives wall clock and counter as halves', () => {
    const { call } = bench();
    expect(call(0x86000001, 0).x.slice(0, 4)).toEqual([0x174876n, 0xe8001234n, 5n, 7n]);
    expect(call(0x86000001, 1).x.slice(0, 4)).toEqual([0x174876n, 0xe8001234n, 0n, 9n]);
    expect(call(0x86000001, 2).x0).toBe(MINUS_1);
  });
});
