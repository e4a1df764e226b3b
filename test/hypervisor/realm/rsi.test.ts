// The Realm Services Interface as a realm's instructions see it (RMM specification 1.0, B5), and what its two halves of
// addresses lead to.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  developmentCpak,
  MEM_GUEST_MEMFD,
  type VcpuExit,
  verifyToken,
} from '../../../src/hypervisor/index.ts';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { explain } from '../../../src/hypervisor/stage2/index.ts';
import { hva } from '../../../src/lib/index.ts';
import { ALIAS, DATA, FREE, PAGE, RAM, RAM_END, RAM_PAGES, Realm, ripasOf } from './kit.ts';

const [VERSION, FEATURES, READ, EXTEND, INIT, CONTINUE] = [0, 1, 2, 3, 4, 5];
const [CONFIG, SET, GET, HOST_CALL] = [6, 7, 8, 9];
const SUCCESS = 0n;
const [INPUT, STATE, INCOMPLETE] = [1n, 2n, 3n];
const [EMPTY, RIPAS_RAM, DESTROYED, DEV] = [0n, 1n, 2n, 3n];
const ACCEPT = 0n;
const REJECT = 1n;
const CHANGE_DESTROYED = 1;
/** An external abort on a data access of EL1: not on a walk. */
const SEA = '96000010';
const UART = 0x900_0000;
const GIC = 0x800_0000;
const NOT_SUPPORTED = 2n ** 64n - 1n;

const exitOf = (result: unknown): VcpuExit | undefined =>
  typeof result === 'object' && result !== null && 'exit' in result ? (result.exit as VcpuExit) : undefined;

/** SET of one page, accepted. */
function give(realm: Realm, address: number, ripas: bigint, flags = CHANGE_DESTROYED): void {
  expect(realm.rsi(SET, address, address + PAGE, ripas, flags)).toBe(SUCCESS);
  expect([realm.x(1), realm.x(2)]).toEqual([BigInt(address + PAGE), ACCEPT]);
}

const clean = (realm: Realm): void => expect(audit(realm.host.ledger)).toEqual([]);

describe('the interface', () => {
  it('is version 1.0, has no optional features, and is the only thing an SMC finds besides PSCI', () => {
    const realm = new Realm();
    expect(realm.rsi(VERSION, 0x10000)).toBe(SUCCESS);
    expect([realm.x(1), realm.x(2)]).toEqual([0x10000n, 0x10000n]);
    for (const other of [0, 0x10001, 0x20000]) expect(realm.rsi(VERSION, other)).toBe(INPUT);
    expect(realm.rsi(FEATURES, 0)).toBe(SUCCESS);
    expect(realm.x(1)).toBe(0n);
    for (const id of [0x86000000, 0xc6000003, 0xc6000007, 0x8600ff01, 0x84000050, 0xc400019a]) {
      realm.smc(id);
      expect(realm.x(0)).toBe(NOT_SUPPORTED);
    }
    realm.smc(0x84000000);
    expect(realm.x(0)).toBe(0x10001n);
  });

  it('HVC does not exist: an undefined instruction, at the instruction', () => {
    const realm = new Realm();
    expect(realm.hvc(0x84000000)).toMatchObject({ kind: 'exception', esr: '2000000' });
    expect(realm.vm.vcpus[0].cpu.readRegister('ELR_EL1')).toBe(BigInt(RAM + 16));
  });

  it('REALM_CONFIG fills a page of the realm, and no other', () => {
    const realm = new Realm({ realm: { personalization: Uint8Array.of(9, 8, 7) } });
    realm.store(FREE + 16, 5n);
    expect(realm.rsi(CONFIG, FREE)).toBe(SUCCESS);
    expect([realm.load(FREE), realm.load(FREE + 8), realm.load(FREE + 16)]).toEqual([41n, 0n, 0n]);
    expect(realm.load(FREE + 0x200)).toBe(0x070809n);
    give(realm, FREE + PAGE, EMPTY);
    for (const wrong of [FREE + 8, FREE + PAGE, ALIAS + FREE, RAM_END, -4096, 2 ** 52])
      expect(realm.rsi(CONFIG, wrong)).toBe(INPUT);
  });

  it('HOST_CALL shows the VMM an immediate and 31 registers, and takes its answer', () => {
    const realm = new Realm();
    const [vcpu] = realm.vm.vcpus;
    realm.store(FREE + 256, 0x1234n);
    realm.store(FREE + 256 + 8, 77n);
    const exit = exitOf(realm.smc(0xc4000190 + HOST_CALL, FREE + 256));
    expect(exit).toMatchObject({ reason: 'host-call', immediate: 0x1234 });
    expect(exit?.reason === 'host-call' && exit.values).toEqual([77n, ...new Array<bigint>(30).fill(0n)]);
    vcpu.completeHostCall([5n, -1n]);
    expect(vcpu.run(100)).toMatchObject({ reason: 'mmio' });
    expect(realm.x(0)).toBe(SUCCESS);
    expect([realm.load(FREE + 264), realm.load(FREE + 272)]).toEqual([5n, NOT_SUPPORTED]);
    // An answer that comes too late is none.
    vcpu.completeHostCall([6n]);
    expect(realm.load(FREE + 264)).toBe(5n);
    for (const wrong of [FREE + 8, ALIAS + FREE, RAM_END]) expect(realm.rsi(HOST_CALL, wrong)).toBe(INPUT);
  });
});

describe('RIPAS', () => {
  it('is RAM where the host said so, DEV at the interrupt controller, EMPTY elsewhere', () => {
    const realm = new Realm();
    expect(realm.rsi(GET, RAM, RAM_END + PAGE)).toBe(SUCCESS);
    expect([realm.x(1), realm.x(2)]).toEqual([BigInt(RAM_END), RIPAS_RAM]);
    expect([ripasOf(realm, UART), ripasOf(realm, GIC), ripasOf(realm, RAM_END)]).toEqual([EMPTY, DEV, EMPTY]);
    // GICD_TYPER by its protected address: the hypervisor answers, and the VMM hears nothing.
    expect(realm.load(GIC)).not.toMatchObject({ kind: 'exit' });
  });

  it('RAM that the host did not declare holds nothing of its', () => {
    const realm = new Realm();
    expect([realm.load(DATA), realm.load(FREE)]).toEqual([0x0807060504030201n, 0n]);
  });

  it('what is EMPTY is an external abort by its own address, and shared memory by the alias', () => {
    const realm = new Realm();
    realm.store(FREE, 0x5ec4e7n);
    expect(realm.hostReads(FREE)).toBe('sealed');
    give(realm, FREE, EMPTY);
    expect(realm.load(FREE)).toEqual({ kind: 'exception', esr: SEA, far: FREE.toString(16) });
    // Nothing of what was in it goes over.
    expect([realm.hostReads(FREE), realm.load(ALIAS + FREE)]).toEqual([0n, 0n]);
    expect(realm.store(ALIAS + FREE, 7n)).toEqual({ kind: 'done' });
    expect(realm.hostReads(FREE)).toBe(7n);
    expect(realm.hostWrites(FREE + 8, Uint8Array.of(9))).toBe('done');
    expect(realm.load(ALIAS + FREE + 8)).toBe(9n);
    clean(realm);
  });

  it('what becomes RAM again leaves the alias and the host, empty', () => {
    const realm = new Realm();
    give(realm, FREE, EMPTY);
    realm.store(ALIAS + FREE, 7n);
    realm.hostWrites(FREE + 8, Uint8Array.of(9));
    give(realm, FREE, RIPAS_RAM);
    expect([realm.load(FREE), realm.load(FREE + 8)]).toEqual([0n, 0n]);
    expect([realm.hostReads(FREE), realm.hostWrites(FREE, Uint8Array.of(1))]).toEqual(['sealed', 'sealed']);
    // The alias of RAM is no memory: the host may emulate something there.
    expect(exitOf(realm.load(ALIAS + FREE))).toMatchObject({ reason: 'mmio', gpa: FREE, write: false });
    clean(realm);
  });

  it('instructions come from the protected half only', () => {
    const realm = new Realm();
    give(realm, FREE, EMPTY);
    expect(realm.store(ALIAS + FREE, 0xd65f03c0n)).toEqual({ kind: 'done' });
    expect(realm.call(ALIAS + FREE)).toMatchObject({ kind: 'exception', esr: '86000010' });
    expect(explain(realm.vm.memory, ALIAS + FREE).accesses).toContainEqual(
      expect.objectContaining({ actor: 'vcpu', operation: 'execute', allowed: false, rule: 'read-only' }),
    );
  });

  it('a device is reached in the shared half, by the address that the VMM knows', () => {
    const realm = new Realm();
    expect(exitOf(realm.load(ALIAS + UART))).toMatchObject({ reason: 'mmio', gpa: UART });
    expect(realm.load(UART)).toEqual({ kind: 'exception', esr: SEA, far: UART.toString(16) });
    expect(exitOf(realm.store(ALIAS + RAM_END, 3n))).toMatchObject({ gpa: RAM_END, write: true, data: 3n });
  });

  it('SET goes as far as it can: to a device, to where no memory is, to the next table', () => {
    const realm = new Realm();
    const set = (base: number, top: number, ripas: bigint): [bigint, bigint, bigint] => {
      const status = realm.rsi(SET, base, top, ripas, 0);
      return [status, realm.x(1), realm.x(2)];
    };
    expect(set(RAM_END - PAGE, RAM_END + PAGE, RIPAS_RAM)).toEqual([SUCCESS, BigInt(RAM_END), ACCEPT]);
    expect(set(RAM_END, RAM_END + PAGE, RIPAS_RAM)).toEqual([SUCCESS, BigInt(RAM_END), REJECT]);
    expect(set(RAM_END, RAM_END + PAGE, EMPTY)).toEqual([SUCCESS, BigInt(RAM_END + PAGE), ACCEPT]);
    expect(set(GIC, GIC + PAGE, EMPTY)).toEqual([SUCCESS, BigInt(GIC), REJECT]);
    expect(ripasOf(realm, GIC)).toBe(DEV);
    expect(set(0, ALIAS, EMPTY)).toEqual([SUCCESS, BigInt(512 * PAGE), ACCEPT]);
  });
});

describe('a token', () => {
  it('is read in pieces by the vCPU that asked for it, and verifies', () => {
    const realm = new Realm({ vcpus: 2 });
    expect(realm.rsi(CONTINUE, FREE, 0, PAGE)).toBe(STATE);
    expect(realm.rsi(INIT, ...new Array<bigint>(8).fill(0x1111111111111111n))).toBe(SUCCESS);
    expect(realm.x(1)).toBe(4096n);
    const token: number[] = [];
    const piece = 104;
    for (let status = INCOMPLETE; status !== SUCCESS; ) {
      status = realm.rsi(CONTINUE, FREE, 64, piece);
      expect([SUCCESS, INCOMPLETE]).toContain(status);
      const bytes = Number(realm.x(1));
      expect(bytes).toBe(status === SUCCESS ? bytes : piece);
      for (let n = 0; n < bytes; n += 8) {
        const word = realm.load(FREE + 64 + n);
        if (typeof word !== 'bigint') throw new Error('the page is the realm’s own');
        for (let byte = 0; byte < Math.min(8, bytes - n); byte++)
          token.push(Number((word >> BigInt(8 * byte)) & 0xffn));
      }
    }
    expect(realm.rsi(CONTINUE, FREE, 0, PAGE)).toBe(STATE);
    const report = verifyToken(Uint8Array.from(token), developmentCpak());
    expect(report.verified).toBe(true);
    expect(report.realm).toMatchObject({ challenge: '11'.repeat(64) });
  });

  it('goes to a place within a page of the realm, and nowhere else', () => {
    const realm = new Realm();
    realm.rsi(INIT);
    for (const [page, offset, size] of [
      [FREE + 8, 0, 8],
      [ALIAS + FREE, 0, 8],
      [RAM_END, 0, 8],
      [FREE, PAGE, 0],
      [FREE, 8, PAGE],
      [FREE, 2 ** 51, 8],
      [FREE, -8, 8],
      [FREE, 8, -8],
    ])
      expect(realm.rsi(CONTINUE, page, offset, size)).toBe(INPUT);
    expect(realm.rsi(CONTINUE, FREE, 0, 0)).toBe(INCOMPLETE);
    expect(realm.x(1)).toBe(0n);
  });

  it('and a change of state end the slice, so that a loop of them holds nobody up', () => {
    const realm = new Realm();
    const [vcpu] = realm.vm.vcpus;
    realm.load(RAM);
    for (const [offset, from, to] of [
      [INIT, 0, 0],
      [SET, FREE, FREE + PAGE],
    ]) {
      const { state } = vcpu.cpu;
      [0xc4000190 + offset, from, to, 0, 0].forEach((value, n) => {
        state.setX(n, BigInt(value));
      });
      state.pc = BigInt(RAM);
      const before = vcpu.instructions;
      expect(vcpu.run(1_000_000)).toEqual({ reason: 'budget' });
      expect(vcpu.instructions - before).toBe(1);
    }
  });
});

describe('what the host does to a realm', () => {
  it('a page that it throws away is DESTROYED: the vCPU stops there until the realm says that it knows', () => {
    const realm = new Realm();
    realm.store(FREE, 1n);
    realm.memfd.fallocate(3, FREE - RAM, PAGE);
    expect(ripasOf(realm, FREE)).toBe(DESTROYED);
    const stop = { reason: 'memory-fault', gpa: FREE, errno: 'EFAULT' };
    expect(exitOf(realm.load(FREE))).toMatchObject(stop);
    expect(exitOf(realm.load(FREE))).toMatchObject(stop);
    // Linux says at its start that what is destroyed must not become RAM.
    expect(realm.rsi(SET, FREE, FREE + PAGE, RIPAS_RAM, 0)).toBe(SUCCESS);
    expect([realm.x(1), realm.x(2)]).toEqual([BigInt(FREE), REJECT]);
    give(realm, FREE, RIPAS_RAM);
    expect(realm.load(FREE)).toBe(0n);
    // A page that was never touched is none that could be lost.
    realm.memfd.fallocate(3, FREE + PAGE - RAM, PAGE);
    expect(ripasOf(realm, FREE + PAGE)).toBe(RIPAS_RAM);
    clean(realm);
  });

  it('SET stops before a destroyed page, with what came before it changed', () => {
    const realm = new Realm();
    realm.store(FREE + PAGE, 1n);
    realm.memfd.fallocate(3, FREE + PAGE - RAM, PAGE);
    expect(realm.rsi(SET, FREE, FREE + 3 * PAGE, EMPTY, 0)).toBe(SUCCESS);
    expect([realm.x(1), realm.x(2)]).toEqual([BigInt(FREE + PAGE), ACCEPT]);
    expect([ripasOf(realm, FREE), ripasOf(realm, FREE + PAGE), ripasOf(realm, FREE + 2 * PAGE)]).toEqual([
      EMPTY,
      DESTROYED,
      RIPAS_RAM,
    ]);
    clean(realm);
  });

  it('it converts nothing, moves nothing, fills nothing and sets no register of a realm that runs', () => {
    const realm = new Realm();
    const { vm, memfd } = realm;
    realm.store(FREE, 1n);
    const slot = { slot: 0, flags: MEM_GUEST_MEMFD, gpa: RAM, size: 0, hva: realm.hva, memfd };
    const kernel = new HostKernel(realm.host);
    for (const act of [
      () => memfd.convert(0, PAGE, 'shared', true),
      () => vm.memory.setUserMemoryRegion2(slot),
      () => vm.initRipas(RAM, PAGE),
      () => vm.populate(FREE, PAGE),
      () => vm.vcpus[0].setRegister('x0', 1n),
      () => vm.debugger.vcpus[0].readRegister('x0'),
      () => vm.debugger.vcpus[0].writeRegister('pc', 0n),
      () => vm.donate(FREE, PAGE),
    ])
      expect(act).toThrow(/EPERM|EINVAL/);
    expect(() => kernel.getUserPage(realm.space, hva(realm.hva + FREE - RAM))).toThrow(/EFAULT/);
    const tags = { ipa: FREE, length: PAGE, flags: 1, tags: new Uint8Array(256) };
    expect(() => vm.memory.copyTags(tags)).toThrow(/EINVAL/);
    expect(realm.load(FREE)).toBe(1n);
    clean(realm);
  });

  it('what it says before the realm runs is checked', () => {
    const made: Realm[] = [];
    new Realm({}, (realm) => made.push(realm));
    const { vm } = made[0];
    for (const [address, bytes] of [
      [RAM + 1, PAGE],
      [RAM, 0],
      [RAM, PAGE - 1],
      [ALIAS, PAGE],
      [-PAGE, PAGE],
    ])
      expect(() => vm.initRipas(address, bytes)).toThrow(/EINVAL/);
    expect(() => vm.initRipas(RAM_END, PAGE)).toThrow(/EFAULT/);
    expect(() => vm.populate(RAM, PAGE)).toThrow(/EINVAL/);
    vm.initRipas(RAM, PAGE);
    vm.populate(RAM, PAGE);
    expect(() => vm.populate(RAM, PAGE)).toThrow(/EEXIST/);
    const anonymous = made[0].space.mmapAnonymous(PAGE);
    const slot = { slot: 1, flags: 0, gpa: 0x8000_0000, size: PAGE, hva: anonymous };
    expect(() => vm.memory.setUserMemoryRegion(slot)).toThrow(/EINVAL/);
    expect(() => vm.memory.createGuestMemfd(PAGE, 1)).toThrow(/EINVAL/);
  });

  it('its devices reach what the realm shares, by either address, and nothing else', () => {
    const realm = new Realm();
    realm.store(DATA, 1n);
    give(realm, FREE, EMPTY);
    const device = realm.vm.devicePort(8);
    const interrupts = realm.vm.memory.hypervisorPort();
    const word = new Uint8Array(8);
    for (const port of [device, interrupts]) {
      for (const address of [FREE, ALIAS + FREE]) expect(port.write(address, word)).toBeUndefined();
      for (const address of [DATA, ALIAS + DATA])
        expect(port.read(address, word)).toMatchObject({ rule: 'sealed' });
    }
    // A cached yes does not outlive the sharing.
    give(realm, FREE, RIPAS_RAM);
    realm.store(FREE, 1n);
    for (const port of [device, interrupts])
      for (const address of [FREE, ALIAS + FREE])
        expect(port.read(address, word)).toMatchObject({ rule: 'sealed' });
    clean(realm);
  });

  it('at the end nothing of the realm is left in the host', () => {
    const realm = new Realm();
    for (let page = FREE; page < RAM_END; page += PAGE) realm.store(page, 0x5ec4e7n);
    realm.vm.dispose();
    expect(realm.host.freeFrames).toBe(64);
    expect(realm.hostReads(FREE)).toBe('sealed');
    // The audit looks into every free frame.
    clean(realm);
  });
});

describe('measurements', () => {
  const sha256 = (...parts: Uint8Array[]): Buffer => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const read = (realm: Realm, index: number): Buffer => {
    expect(realm.rsi(READ, index)).toBe(SUCCESS);
    const bytes = Buffer.alloc(64);
    for (let n = 0; n < 8; n++) bytes.writeBigUInt64LE(realm.x(1 + n), 8 * n);
    return bytes;
  };

  it('the initial one follows from parameters, RIPAS, pages and vCPUs (RMM specification 1.0, C1)', () => {
    const pages = [new Uint8Array(PAGE).fill(3), new Uint8Array(PAGE)];
    const realm = new Realm({}, (made) => {
      made.hostWrites(RAM + 8 * PAGE, pages[0]);
      made.vm.initRipas(RAM, RAM_PAGES * PAGE);
      made.vm.populate(RAM + 8 * PAGE, 2 * PAGE);
      made.vm.populate(RAM, PAGE);
    });
    const [vcpu] = realm.vm.vcpus;
    const code = Buffer.from(
      realm.host.memory.data(realm.host.ledger.holders.get(realm.memfd.id)!.populate(0, false)),
    );
    realm.load(RAM);
    const words = (size: number, ...fields: [number, bigint][]): Buffer => {
      const out = Buffer.alloc(size);
      for (const [offset, value] of fields) out.writeBigUInt64LE(value, offset);
      return out;
    };
    const extend = (
      rim: Buffer,
      type: bigint,
      fields: [number, bigint][],
      at: number,
      content: Buffer,
    ): Buffer => {
      const descriptor = words(0x100, [0, type], [8, 0x100n], ...fields);
      rim.copy(descriptor, 0x10);
      content.copy(descriptor, at);
      return sha256(descriptor);
    };
    // PMU present, 41 bits, 6 breakpoints and 4 watchpoints less one each, SHA-256.
    let rim = sha256(words(0x1000, [0, 4n], [8, 41n], [0x18, 5n], [0x20, 3n]));
    const end = BigInt(RAM_END);
    rim = extend(
      rim,
      2n,
      [
        [0x50, BigInt(RAM)],
        [0x58, end],
      ],
      0x60,
      Buffer.alloc(0),
    );
    const data = (page: Uint8Array, address: number): void => {
      rim = extend(
        rim,
        0n,
        [
          [0x50, BigInt(address)],
          [0x58, 1n],
        ],
        0x60,
        sha256(page),
      );
    };
    data(pages[0], RAM + 8 * PAGE);
    data(pages[1], RAM + 9 * PAGE);
    data(code, RAM);
    // It starts with what the first run put into its registers.
    const start = words(0x1000, [0, 1n], [0x200, BigInt(RAM + 2 * 16)], [0x300, BigInt(RAM)]);
    rim = extend(rim, 1n, [], 0x50, sha256(start));
    expect(read(realm, 0).subarray(0, 32).toString('hex')).toBe(rim.toString('hex'));
    expect(read(realm, 0).subarray(32)).toEqual(Buffer.alloc(32));
    expect(vcpu.instructions).toBeGreaterThan(0);
  });

  it('a byte of a page, its address, or a register makes another initial measurement', () => {
    const variants = [
      () => new Realm(),
      () => new Realm({ features: { mte: false, pmu: false } }),
      () =>
        new Realm({}, (made) => {
          made.hostWrites(DATA + 100, Uint8Array.of(1));
          made.vm.initRipas(RAM, RAM_PAGES * PAGE);
          made.vm.populate(RAM, 2 * PAGE);
        }),
      () =>
        new Realm({}, (made) => {
          made.vm.initRipas(RAM, RAM_PAGES * PAGE);
          made.vm.populate(RAM, 3 * PAGE);
        }),
    ];
    const seen = variants.map((make) => read(make(), 0).toString('hex'));
    const moved = new Realm();
    moved.load(RAM);
    seen.push(read(moved, 0).toString('hex'));
    expect(new Set(seen).size).toBe(seen.length);
    expect(read(new Realm(), 0).toString('hex')).toBe(seen[0]);
  });

  it('four are the realm’s to extend', () => {
    const realm = new Realm();
    for (const index of [1, 2, 3, 4]) expect(read(realm, index)).toEqual(Buffer.alloc(64));
    expect(realm.rsi(EXTEND, 2, 12, 0x0807060504030201n, 0x0c0b0a09n)).toBe(SUCCESS);
    const once = sha256(Buffer.alloc(32), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    expect(read(realm, 2).subarray(0, 32)).toEqual(once);
    expect(realm.rsi(EXTEND, 2, 0)).toBe(SUCCESS);
    expect(read(realm, 2).subarray(0, 32)).toEqual(sha256(once));
    expect(read(realm, 1)).toEqual(Buffer.alloc(64));
    for (const [index, size] of [
      [0, 8],
      [5, 8],
      [1, 65],
      [-1, 1],
    ])
      expect(realm.rsi(EXTEND, index, size)).toBe(INPUT);
    for (const index of [5, -1, 2 ** 40]) expect(realm.rsi(READ, index)).toBe(INPUT);
  });
});
