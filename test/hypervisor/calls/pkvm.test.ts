import { describe, expect, it } from 'vitest';
import {
  CallDispatcher,
  type CallOutcome,
  type CallRegisters,
  type Conduit,
  type GuardCalls,
  KVM_PTP,
  kvmVendorFunctions,
  mmioGuardFunctions,
  pkvmFunctions,
  type SharedMemory,
  type SharingResult,
} from '../../../src/hypervisor/calls/index.ts';
import { MmioGuard } from '../../../src/hypervisor/guard/index.ts';

const NOT_SUPPORTED = -1n;
const INVALID = -3n;
const FEATURES = 0x86000000;
const [MEMINFO, SHARE, UNSHARE] = [0xc6000002, 0xc6000003, 0xc6000004];
const [INFO, ENROLL, MAP, UNMAP] = [0xc6000005, 0xc6000006, 0xc6000007, 0xc6000008];

class Registers implements CallRegisters {
  readonly values: bigint[];
  constructor(...values: (number | bigint)[]) {
    this.values = values.map(BigInt);
  }
  get(n: number): bigint {
    return this.values[n] ?? 0n;
  }
  set(n: number, value: bigint): void {
    this.values[n] = value;
  }
}

interface Answer {
  readonly outcome: CallOutcome;
  /** X0 to X3, X0 signed. */
  readonly x: readonly bigint[];
}

function caller(calls: CallDispatcher) {
  return (id: number, args: readonly (number | bigint)[] = [], conduit: Conduit = 'hvc'): Answer => {
    const regs = new Registers(id, ...args);
    const outcome = calls.handle({ conduit, vcpu: 0, regs });
    return { outcome, x: [BigInt.asIntN(64, regs.get(0)), regs.get(1), regs.get(2), regs.get(3)] };
  };
}

function protectedGuest(result: SharingResult = { kind: 'done' }) {
  const asked: string[] = [];
  const memory: SharedMemory = {
    share(ipa, vcpu) {
      asked.push(`share ${ipa.toString(16)} by ${vcpu}`);
      return result;
    },
    unshare(ipa) {
      asked.push(`unshare ${ipa.toString(16)}`);
      return result;
    },
  };
  const time = { wallClock: () => 0n, virtualCounter: () => 0n, physicalCounter: () => 0n };
  const call = caller(new CallDispatcher([kvmVendorFunctions(time, [KVM_PTP]), pkvmFunctions(memory)]));
  return { call, asked };
}

describe("pKVM's calls (Linux Documentation/virt/kvm/arm/hypercalls.rst)", () => {
  it('announces features 0, 2, 3 and 4, as EL2 does for a protected guest', () => {
    const { call } = protectedGuest();
    expect(call(FEATURES).x).toEqual([0x1dn, 0n, 0n, 0n]);
  });

  it('MEMINFO gives the granule, and takes no arguments', () => {
    const { call } = protectedGuest();
    expect(call(MEMINFO).x).toEqual([4096n, 0n, 0n, 0n]);
    for (const args of [[1], [0, 1], [0, 0, 1]]) expect(call(MEMINFO, args).x[0]).toBe(INVALID);
  });

  it('shares and unshares the page of an address', () => {
    const { call, asked } = protectedGuest();
    expect(call(SHARE, [0x80001000]).x[0]).toBe(0n);
    expect(call(UNSHARE, [0x80001000]).x[0]).toBe(0n);
    expect(asked).toEqual(['share 80001000 by 0', 'unshare 80001000']);
  });

  it('refuses reserved arguments and addresses that no page has, before it looks at memory', () => {
    const { call, asked } = protectedGuest();
    for (const id of [SHARE, UNSHARE]) {
      expect(call(id, [0x80001000, 1]).x[0]).toBe(INVALID);
      expect(call(id, [0x80001000, 0, 1]).x[0]).toBe(INVALID);
      expect(call(id, [0xfff0_0000_0000_0000n]).x[0]).toBe(INVALID);
    }
    expect(asked).toEqual([]);
  });

  it('is made again after the host has put a page there, and aborts where there is no memory', () => {
    expect(protectedGuest({ kind: 'again' }).call(SHARE, [0x80001000])).toEqual({
      outcome: { kind: 'repeat' },
      // Not one register is touched.
      x: [BigInt(SHARE), 0x80001000n, 0n, 0n],
    });
    expect(protectedGuest({ kind: 'abort' }).call(SHARE, [0]).outcome).toEqual({ kind: 'abort' });
    const exit = { reason: 'error', errno: 'EFAULT' } as const;
    expect(protectedGuest({ kind: 'exit', exit }).call(SHARE, [0]).outcome).toEqual({ kind: 'repeat', exit });
  });

  it('does not exist for SMC, nor by its 32-bit numbers', () => {
    const { call } = protectedGuest();
    for (const id of [MEMINFO, SHARE, UNSHARE]) {
      expect(call(id, [0x80001000], 'smc').x[0]).toBe(NOT_SUPPORTED);
      expect(call((id & ~0x40000000) >>> 0, [0x80001000]).x[0]).toBe(NOT_SUPPORTED);
    }
  });
});

describe('MMIO guard calls', () => {
  function guarded(enforced: boolean) {
    const guard = new MmioGuard();
    if (enforced) guard.enforce();
    const calls: GuardCalls = {
      get isEnforced() {
        return guard.isEnforced;
      },
      get isEnrolled() {
        return guard.isEnrolled;
      },
      enroll: () => guard.enroll(),
      map: (gfn, attribute) => gfn < 0x40000 && guard.map(gfn, attribute),
      unmap: (gfn) => guard.unmap(gfn),
      attribute: (_vcpu, index) => 0xf0 + index,
    };
    return { guard, call: caller(new CallDispatcher([kvmVendorFunctions(), mmioGuardFunctions(calls)])) };
  }

  it("upstream's one call needs no enrolment and clear reserved arguments; repeating it succeeds", () => {
    const { guard, call } = guarded(true);
    expect(call(MAP, [0x9000000]).x[0]).toBe(0n);
    expect(call(MAP, [0x9000000]).x[0]).toBe(0n);
    for (const args of [[0x9000800], [0x9001000, 1], [0x9001000, 0, 1], [0x40000000], [1n << 60n]]) {
      expect(call(MAP, args).x[0]).toBe(INVALID);
    }
    expect(call(UNMAP, [0x9000000]).x[0]).toBe(NOT_SUPPORTED);
    expect(guard.list()).toEqual([{ gfn: 0x9000, attribute: undefined }]);
  });

  it('the proposal of 2021: INFO, ENROLL, MAP with an attribute, UNMAP', () => {
    const { guard, call } = guarded(false);
    expect(call(INFO).x[0]).toBe(4096n);
    expect(call(MAP, [0x9000000]).x[0]).toBe(NOT_SUPPORTED);
    expect(guard.permits(0x9000)).toBe(true);
    expect(call(ENROLL).x[0]).toBe(0n);
    expect(guard.permits(0x9000)).toBe(false);
    expect(call(MAP, [0x9000000, 3]).x[0]).toBe(0n);
    expect(guard.list()).toEqual([{ gfn: 0x9000, attribute: 0xf3 }]);
    for (const args of [[0x9000800], [0x9001000, 8], [0x40000000]]) {
      expect(call(MAP, args).x[0]).toBe(NOT_SUPPORTED);
    }
    expect(call(UNMAP, [0x9000000]).x[0]).toBe(0n);
    expect(call(UNMAP, [0x9000000]).x[0]).toBe(NOT_SUPPORTED);
    expect(call(FEATURES).x[0]).toBe(0x1e1n);
  });
});
