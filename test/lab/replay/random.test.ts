import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { audit, encode } from '../../../src/hypervisor/ledger/index.ts';
import { cpuRunners, portRunners, type Runners } from '../../../src/lab/replay/index.ts';
import { Performer } from '../../../src/lab/replay/perform.ts';
import { PkvmPerformer } from '../../../src/lab/replay/pkvm-perform.ts';
import { ERRNO } from '../../../src/lib/index.ts';

// Sequences that no recorder has written, in the recordings' own format: what a call could also have been. Nobody can
// say the kernel's answer here; what holds of every answer is held against each.

const hex = (value: bigint | number): string => BigInt.asUintN(64, BigInt(value)).toString(16);

const EXTREMES = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 48n, 2n ** 52n, 2n ** 62n, 2n ** 63n]
  .flatMap((value) => [value - 4096n, value - 1n, value, value + 1n, value + 4096n])
  .map(hex);

/** Mostly a page of a small range, at times anything. */
const address = (base: bigint, pages: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.nat(pages - 1).map((page) => hex(base + BigInt(page) * 4096n)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.nat(pages - 1), fc.nat(4095))
        .map(([page, at]) => hex(base + BigInt(page * 4096 + at))),
    },
    { weight: 1, arbitrary: fc.constantFrom(...EXTREMES) },
  );
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(hex),
  fc.constantFrom('0', 'ffffffffffffffff'),
);
const slot = fc.oneof(
  { weight: 12, arbitrary: fc.nat(4) },
  { weight: 1, arbitrary: fc.constantFrom(100, 32766, 32767, 65535, 65536, 65537, 0x7fff_0001, 0xffff_ffff) },
);
const fd = fc.constantFrom(-1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 99);
const flagBits = (common: number[]) =>
  fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(...common) },
    { weight: 1, arbitrary: fc.constantFrom(8, 9, 12, 0x10000, 0x8000_0000, 0xffff_ffff) },
  );
const op = <T extends object>(name: string, fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields).map((asked) => ({ op: name, ...asked }));

const GPA = 0x8000_0000n;
const vm = fc
  .record(
    {
      earlyvcpu: fc.constant(1),
      mte: fc.constant(0),
      manual: fc.constantFrom(0, 1, 1, 2, 3, 3, 4, 2 ** 32, 2 ** 53 - 1),
    },
    { requiredKeys: [] },
  )
  .map((asked) => ({ op: 'vm', seq: 0, ...asked }));

const call = fc.oneof(
  { weight: 3, arbitrary: op('memfd', { size: address(0n, 17), flags: flagBits([0, 1, 2, 3, 3, 3]) }) },
  {
    weight: 8,
    arbitrary: op('region', {
      v: fc.constantFrom(1, 2, 2),
      slot,
      flags: flagBits([0, 0, 0, 1, 1, 2, 3, 4, 4, 4, 5, 6, 7]),
      gpa: address(GPA, 20),
      size: address(0n, 9),
      arena: address(0n, 64),
      fd,
      off: address(0n, 8),
    }),
  },
  { weight: 2, arbitrary: op('dirtylog', { slot }) },
  {
    weight: 2,
    arbitrary: op('cleardirty', {
      slot,
      first: fc.constantFrom(0, 0, 0, 1, 63, 64, 128, 2 ** 53 - 1),
      num: fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 63, 64, 65, 2 ** 31, 2 ** 32 - 1),
    }),
  },
  {
    weight: 4,
    arbitrary: op('tags', {
      ipa: address(GPA, 18),
      len: address(0n, 5),
      flags: flagBits([0, 1, 1, 2]),
      rsv: fc.constantFrom(0, 0, 0, 0, 1, 2 ** 32),
      fill: fc.nat(255),
    }),
  },
  {
    weight: 3,
    arbitrary: op('falloc', {
      fd,
      mode: fc.oneof(fc.constantFrom(0, 1, 1, 2, 3, 3), fc.constantFrom(4, 8, 9, 0x10, 0x11, 0x40, 0x80, -1)),
      off: address(0n, 9),
      len: address(0n, 5),
    }),
  },
  { weight: 1, arbitrary: op('closefd', { fd: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: op('fdmmap', { fd, shared: fc.constantFrom(1, 1, 0), off: address(0n, 9), w: word }),
  },
  { weight: 3, arbitrary: op('vmm', { arena: address(0n, 64), w: word }) },
  { weight: 2, arbitrary: op('dontneed', { arena: address(0n, 64) }) },
  { weight: 1, arbitrary: op('capmte', { flags: flagBits([0, 0, 1]) }) },
  { weight: 6, arbitrary: op('guest', { gpa: address(GPA, 20), val: word, w: fc.nat(1) }) },
);

/** The errors that each call can have (FACTS A, B, C). */
const DOCUMENTED: Readonly<Record<string, readonly (keyof typeof ERRNO)[]>> = {
  memfd: ['EINVAL'],
  region: ['EINVAL', 'EEXIST', 'EBADF', 'EFAULT'],
  dirtylog: ['EINVAL', 'ENOENT'],
  cleardirty: ['EINVAL', 'ENOENT'],
  tags: ['EINVAL', 'EBUSY', 'EFAULT'],
  falloc: ['EBADF', 'EINVAL', 'EOPNOTSUPP', 'EFBIG'],
  closefd: ['EBADF'],
  fdmmap: ['EBADF', 'ENODEV', 'EINVAL', 'EOVERFLOW'],
  dontneed: ['EINVAL'],
  capmte: ['EINVAL'],
  guest: ['EFAULT'],
};

/** All that a VM remembers and the ledger's own encoding does not show. */
function stateOf(performer: Performer): string {
  const { memory } = performer;
  const slots = memory.mapper.slots
    .all()
    .map(({ id, gfn, pages, flags, hva, filePage, dirty }) => [
      id,
      gfn,
      pages,
      flags,
      hva,
      filePage,
      dirty?.copy(),
    ]);
  return `${encode(memory.ledger)};${memory.hasMte};${JSON.stringify(slots)}`;
}

/** Performs a sequence; each answer is looked at, and returned. */
function perform(performer: Performer, calls: readonly { readonly op: string }[]): unknown[] {
  const { ledger } = performer.host;
  ledger.watchful = true;
  return calls.map((asked) => {
    const before = asked.op === 'vm' ? '' : stateOf(performer);
    const answer = performer.perform(asked);
    const { r } = answer;
    if (typeof r === 'number' && r < 0) {
      expect({ asked, r: DOCUMENTED[asked.op].map((name) => -ERRNO[name]) }).toEqual({
        asked,
        r: expect.arrayContaining([r]),
      });
      // A guest's fault may have made a page present before it failed; nothing else may have changed anything.
      if (asked.op !== 'guest')
        expect({ asked, state: stateOf(performer) }).toEqual({ asked, state: before });
    }
    return answer;
  });
}

/** The port has no alignment faults that give way to others. */
function aligned<T extends { readonly op: string }>(asked: T): T {
  if (!('gpa' in asked) || asked.op !== 'guest') return asked;
  return { ...asked, gpa: hex(BigInt(`0x${String(asked.gpa)}`) & ~7n) };
}

const performerWith = (runners: Runners): Performer => new Performer(runners);

describe('sequences that nobody has recorded', () => {
  const sequence = fc.tuple(vm, fc.array(call, { minLength: 10, maxLength: 60 }));
  const onCpu = performerWith(cpuRunners);
  const onPort = performerWith(portRunners);

  it('throw nothing, fail with documented errors and then change nothing, and leave a clean audit', () => {
    fc.assert(
      fc.property(sequence, ([first, calls]) => {
        perform(onPort, [first, ...calls]);
        expect(audit(onPort.host.ledger)).toEqual([]);
      }),
      { numRuns: 400, seed: 20261121 },
    );
  });

  it('come to the same whether the guest is run by the CPU or by a port', () => {
    fc.assert(
      fc.property(sequence, ([first, calls]) => {
        const lines = [first, ...calls.map(aligned)];
        expect(perform(onCpu, lines)).toEqual(perform(onPort, lines));
        expect(audit(onCpu.host.ledger)).toEqual([]);
      }),
      { numRuns: 150, seed: 72 },
    );
  });

  it('give every frame back when they end', () => {
    for (const performer of [onCpu, onPort]) {
      performer.dispose();
      expect(performer.host.freeFrames).toBe(performer.host.memory.frames);
    }
  });
});

describe('pKVM sequences that nobody has recorded', () => {
  const page = fc.nat(15);
  const x = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('0', '0', '0', '1') },
    { weight: 1, arbitrary: fc.constantFrom(...EXTREMES) },
  );
  const first = fc
    .tuple(fc.constantFrom(1, 1, 0), fc.array(fc.constantFrom('0', '1000'), { minLength: 16, maxLength: 16 }))
    .map(([isProtected, init]) => [{ op: 'vm', seq: 0, protected: isProtected, init }, { op: 'setup' }]);
  const steps = fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: op('hvc', {
          fn: fc.oneof(
            { weight: 8, arbitrary: fc.constantFrom('c6000003', 'c6000003', 'c6000004', 'c6000002') },
            { weight: 2, arbitrary: fc.constantFrom('c6000007', '86000000', '8600ff01', '80000000') },
            { weight: 1, arbitrary: fc.constantFrom(...EXTREMES) },
          ),
          x1: address(GPA, 18),
          x2: x,
          x3: x,
        }),
      },
      { weight: 5, arbitrary: op('gload', { gpa: address(GPA, 18) }) },
      { weight: 5, arbitrary: op('gstore', { gpa: address(GPA, 18), val: word }) },
      { weight: 5, arbitrary: op('vmm', { page, w: word }) },
      { weight: 2, arbitrary: op('hostkernel', { page, write: fc.nat(1) }) },
      { weight: 1, arbitrary: op('gup', { page }) },
      {
        weight: 1,
        arbitrary: op('region', {
          what: fc.constantFrom('delete', 'move', 'logdirty', 'identical', 'readonly'),
        }),
      },
      { weight: 1, arbitrary: op('reslot', {}) },
      { weight: 1, arbitrary: op('unslot3', {}) },
    ),
    { minLength: 5, maxLength: 40 },
  );

  it('throw nothing, and leave a clean audit after every call', () => {
    const performer = new PkvmPerformer();
    fc.assert(
      fc.property(first, steps, (opening, calls) => {
        for (const asked of [...opening, ...calls]) {
          const { r = 0 } = performer.perform(asked);
          expect({ asked, r }).toEqual({ asked, r: expect.toSatisfy(isDocumented) });
          const { ledger } = performer.host;
          ledger.watchful = true;
          expect({ asked, findings: audit(ledger) }).toEqual({ asked, findings: [] });
        }
        performer.perform({ op: 'after' });
        expect(audit(performer.host.ledger)).toEqual([]);
      }),
      { numRuns: 60, seed: 20261121 },
    );
    performer.dispose();
  });
});

/** What a region, a write of the kernel and a get_user_pages can come to. */
const isDocumented = (r: unknown): boolean =>
  typeof r === 'number' &&
  (r >= 0 || [-ERRNO.EPERM, -ERRNO.EINVAL, -ERRNO.EEXIST, -ERRNO.EFAULT].includes(r));
