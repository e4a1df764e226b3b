// A malicious guest against its host: whatever it says, the host must go on, and other memory stays what it was.

import { MAX_GUARDED_PAGES } from '../../../hypervisor/guard/index.ts';
import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack } from '../attack.ts';
import { deviceOf } from '../guest.ts';
import { HOLE, type Scene, SECRET, SPARE } from '../scene.ts';

const MEM_SHARE = 0xc600_0003n;
const MEM_UNSHARE = 0xc600_0004n;
const GUARD_ENROLL = 0xc600_0006n;
const GUARD_MAP = 0xc600_0007n;
const CPU_ON = 0xc400_0003n;
/** Where the interrupt translation service's registers are (the board's map). */
const ITS = 0x808_0000;
const CBASER = 0x80;
const CWRITER = 0x88;
const CREADR = 0x90;
const BASER0 = 0x100;
const BASER1 = 0x108;

const signed = (value: bigint): bigint => BigInt.asIntN(64, value);

/** All calls of a family answer with an error; how many did. */
function allFail(
  scene: Scene,
  calls: readonly (readonly bigint[])[],
  conduit: 'hvc' | 'smc' = 'hvc',
): boolean {
  let failed = 0;
  for (const call of calls) {
    const answer = scene.guest.call(0, conduit, ...call);
    if (answer.kind === 'done' && signed(answer.x[0]) < 0n) failed++;
    else scene.guestDoes(`calls ${call.map((x) => x.toString(16)).join(' ')}`, answer);
  }
  scene.say(`${failed} of ${calls.length} calls answered with an error`);
  return failed === calls.length;
}

/** The guest starts the interrupt translation service with its queue and tables at a page; whether it stalls there. */
function runQueue(scene: Scene, page: number): boolean {
  const { guest } = scene;
  const valid = (1n << 63n) | BigInt(page);
  for (const register of [CBASER, BASER0, BASER1])
    scene.must(guest.call(0, 'store', BigInt(ITS + register), valid));
  scene.must(guest.call(0, 'store32', BigInt(ITS), 1n));
  scene.must(guest.call(0, 'store', BigInt(ITS + CWRITER), 0x60n));
  const [reader] = scene.must(guest.call(0, 'load', BigInt(ITS + CREADR)));
  scene.say(`the queue's reader stands at 0x${reader.toString(16)} ${scene.warnings.join('; ')}`);
  return (reader & 1n) === 1n;
}

export const guestAttacks: readonly Attack[] = [
  {
    name: 'calls-malformed',
    who: 'guest',
    what: 'makes memory calls with wrapping, unaligned and oversized addresses and with reserved arguments',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      const wrong = [
        0xffff_ffff_ffff_f000n,
        0x1000n * (1n << 40n),
        BigInt(SECRET) + 8n,
        (1n << 63n) | BigInt(SECRET),
      ];
      const calls = [MEM_SHARE, MEM_UNSHARE].flatMap((id) => [
        ...wrong.map((address) => [id, address, 0n, 0n]),
        [id, BigInt(SPARE), 1n, 0n],
        [id, BigInt(SPARE), 0n, 1n],
      ]);
      return allFail(scene, calls) ? { rule: 'abi' } : {};
    },
  },
  {
    name: 'calls-by-smc',
    who: 'guest',
    what: 'makes the memory calls by the other conduit, which their hypervisor does not listen to',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      const calls = [MEM_SHARE, MEM_UNSHARE, GUARD_MAP].map((id) => [id, BigInt(SPARE), 0n, 0n]);
      return allFail(scene, calls, 'smc') ? { rule: 'abi' } : {};
    },
  },
  {
    name: 'share-foreign',
    who: 'guest',
    what: 'lends memory that it does not have',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      const { guest, vm } = scene;
      const answer = scene.guestDoes('lends a hole', guest.call(0, 'hvc', MEM_SHARE, BigInt(HOLE), 0n, 0n));
      if (answer.kind === 'done') return signed(answer.x[0]) === -1n ? { rule: 'abi' } : {};
      if (answer.kind !== 'fault' || answer.far !== 0n) return {};
      return scene.read('the hypervisor', vm.memory.hypervisorPort(), HOLE);
    },
  },
  {
    name: 'unshare-twice',
    who: 'guest',
    what: 'takes pages back that it never lent, or has already taken back',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      const page = BigInt(SPARE);
      scene.guest.call(0, 'hvc', MEM_SHARE, page, 0n, 0n);
      scene.guest.call(0, 'hvc', MEM_UNSHARE, page, 0n, 0n);
      const calls = [page, BigInt(SECRET), BigInt(HOLE)].map((address) => [MEM_UNSHARE, address, 0n, 0n]);
      return allFail(scene, calls) ? { rule: 'abi' } : {};
    },
  },
  {
    name: 'calls-random',
    who: 'guest',
    what: 'makes two thousand calls with random identifiers and arguments',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      let seed = 0x2545_f491_4f6c_dd1dn;
      const random = (): bigint => {
        seed = BigInt.asUintN(64, seed ^ (seed << 13n));
        seed ^= seed >> 7n;
        seed = BigInt.asUintN(64, seed ^ (seed << 17n));
        return seed;
      };
      const families = [
        0x8400_0040n,
        0xc400_0040n,
        0x8600_0000n,
        0xc600_0000n,
        0xc400_0190n,
        0x8000_0000n,
        0n,
      ];
      for (let n = 0; n < 2000; n++) {
        const id = families[n % families.length] + (random() & 0x3fn);
        // It would cut itself off from the device by which it is told what to do.
        if (id === GUARD_ENROLL) continue;
        // Not its own memory: lending that is its right.
        const answer = scene.guest.call(
          0,
          'hvc',
          id,
          random() | (1n << 45n),
          random() | (1n << 45n),
          random(),
        );
        if (answer.kind !== 'done') scene.guestDoes(`calls ${id.toString(16)}`, answer);
      }
      return { rule: 'abi' };
    },
  },
  {
    name: 'guard-flood',
    who: 'guest',
    what: 'announces more device pages than any board has, to make the host remember them',
    unprotected: { stoppedBy: 'quota' },
    run(scene) {
      const { guest, vm } = scene;
      scene.must(guest.call(0, 'enroll'));
      scene.must(guest.call(0, 'hvc', GUARD_MAP, BigInt(deviceOf(1)), 0n));
      const count = MAX_GUARDED_PAGES + 1000;
      guest.budget = 20 * count;
      const first = 0x10_0000_0000n;
      scene.guestDoes(
        `announces ${count} pages`,
        guest.call(0, 'flood', GUARD_MAP, first, BigInt(PAGE_SIZE), BigInt(count)),
      );
      const { size } = vm.memory.mmioGuard;
      scene.say(`the host remembers ${size}`);
      return size === MAX_GUARDED_PAGES ? { rule: 'quota' } : {};
    },
  },
  {
    name: 'cpu-on-wild',
    who: 'guest',
    what: 'starts a vCPU at addresses that are no memory',
    unprotected: { stoppedBy: 'unmapped' },
    run(scene) {
      const { guest, vm } = scene;
      const answer = guest.call(0, 'hvc', CPU_ON, 2n, BigInt(HOLE), 0n);
      scene.guestDoes('starts vCPU 2 at 0x20000000', answer);
      const exit = vm.vcpus[2].run(10_000);
      scene.say(`vCPU 2 leaves with '${exit.reason}'`);
      for (const target of [0xffff_ffff_ffff_ffffn, 77n, 0x100_0000_0000n])
        guest.call(0, 'hvc', CPU_ON, target, (1n << 63n) | 3n, 0n);
      return exit.reason === 'budget' ? scene.read('the hypervisor', vm.memory.hypervisorPort(), HOLE) : {};
    },
  },
  {
    name: 'its-wild',
    who: 'guest',
    what: 'gives the interrupt translation service a command queue where no memory is',
    unprotected: { stoppedBy: 'unmapped' },
    run(scene) {
      const { vm } = scene;
      const isStalled = runQueue(scene, HOLE);
      return isStalled ? scene.read('the hypervisor', vm.memory.hypervisorPort(), HOLE) : {};
    },
  },
  {
    name: 'its-private',
    who: 'guest',
    what: 'gives the interrupt translation service a command queue in its private page',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      const { vm } = scene;
      const isStalled = runQueue(scene, SECRET);
      // The commands that a page of random bytes holds are none.
      if (!isStalled) return { rule: 'abi' };
      return scene.read('the hypervisor', vm.memory.hypervisorPort(), SECRET);
    },
  },
];
