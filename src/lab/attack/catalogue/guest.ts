// A malicious guest against its host: whatever it says, the host must go on, and other memory stays what it was.

import { MAX_GUARDED_PAGES } from '../../../hypervisor/guard/index.ts';
import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack, Attempt } from '../attack.ts';
import { deviceOf } from '../guest.ts';
import { HOLE, SECRET, SPARE } from '../layout.ts';
import type { Conduit } from '../modes.ts';
import type { Scene } from '../scene.ts';

const RSI_IPA_STATE_SET = 0xc400_0197n;
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

/** All calls are refused, with an error or by being undefined; what each came to is in the story where not. */
function allRefused(scene: Scene, calls: readonly (readonly bigint[])[], conduit: Conduit): boolean {
  let refused = 0;
  for (const call of calls) {
    const answer = scene.guest.call(0, conduit, ...call);
    const isUndefined = answer.kind === 'fault' && answer.esr >> 26n === 0n;
    if (isUndefined || (answer.kind === 'done' && answer.x[0] !== 0n)) refused++;
    else scene.guestDoes(`calls ${call.map((x) => x.toString(16)).join(' ')}`, answer);
  }
  scene.say(`${refused} of ${calls.length} calls were refused`);
  return refused === calls.length;
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

/** A realm asks for the state of half of all addresses in one call: it gets as far as one call goes. */
function claimEverything(scene: Scene): Attempt {
  const far = 1n << 39n;
  const [status, top] = scene.must(scene.guest.call(0, 'smc', RSI_IPA_STATE_SET, far, far * 2n, 0n, 1n));
  scene.say(
    `the realm gives up ${far} bytes of addresses: status ${status}, done up to 0x${top.toString(16)}`,
  );
  return status === 0n && top - far <= 0x20_0000n ? { rule: 'quota' } : {};
}

export const guestAttacks: readonly Attack[] = [
  {
    name: 'calls-malformed',
    who: 'guest',
    what: 'makes memory calls with wrapping, unaligned and oversized addresses, with impossible and reserved arguments',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      const { mode } = scene;
      return allRefused(scene, mode.malformed(BigInt(SPARE)), mode.conduit) ? { rule: 'abi' } : {};
    },
  },
  {
    name: 'calls-other-conduit',
    who: 'guest',
    what: 'makes the memory calls by the other conduit, at which their hypervisor does not listen',
    unprotected: { stoppedBy: 'abi' },
    run(scene) {
      const { mode } = scene;
      const other = mode.conduit === 'hvc' ? 'smc' : 'hvc';
      return allRefused(scene, mode.malformed(BigInt(SPARE)), other) ? { rule: 'abi' } : {};
    },
  },
  {
    name: 'share-foreign',
    who: 'guest',
    what: 'lends memory that it does not have, and claims it for its own',
    unprotected: { stoppedBy: 'unmapped' },
    run(scene) {
      const { guest, vm, mode } = scene;
      const outcomes = [mode.share(guest, HOLE), mode.unshare(guest, HOLE)];
      scene.say(
        `the guest lends 0x20000000 and takes it: ${outcomes.map((done) => (done ? 'done' : 'refused')).join(', ')}`,
      );
      // Where pages need no lending, or nothing is there to be lent, the calls change nothing.
      const answer = scene.guestDoes('loads from it', guest.call(0, 'load', BigInt(HOLE)));
      const isAbsent = mode.isProtected ? answer.kind === 'fault' : guest.seenByVmm.length === 1;
      return isAbsent ? scene.read('the hypervisor', vm.memory.hypervisorPort(), HOLE) : {};
    },
  },
  {
    name: 'unshare-twice',
    who: 'guest',
    what: 'takes a page back that it never lent, and one that it has already taken back',
    unprotected: { stoppedBy: 'conserved' },
    run(scene) {
      const { guest, mode, vm } = scene;
      mode.share(guest, SPARE);
      mode.unshare(guest, SPARE);
      const before = vm.memory.countPages();
      const outcomes = [SPARE, SECRET].map((page) => mode.unshare(guest, page));
      const after = vm.memory.countPages();
      scene.say(
        `the guest takes pages back: ${outcomes.map((done) => (done ? 'done' : 'refused')).join(', ')}`,
      );
      scene.say(
        `private pages before ${before.private}, after ${after.private}; shared ${before.shared}, ${after.shared}`,
      );
      return before.private === after.private && before.shared === after.shared ? { rule: 'conserved' } : {};
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
          scene.mode.conduit,
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
    name: 'calls-hoard',
    who: 'guest',
    what: 'announces more device pages than any board has, or claims all of the address space, to keep the host busy',
    unprotected: { stoppedBy: 'quota' },
    run(scene) {
      const { guest, vm, mode } = scene;
      if (mode.inFiles) return claimEverything(scene);
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
      const answer = guest.call(0, scene.mode.conduit, CPU_ON, 2n, BigInt(HOLE), 0n);
      scene.guestDoes('starts vCPU 2 at 0x20000000', answer);
      const exit = vm.vcpus[2].run(10_000);
      scene.say(`vCPU 2 leaves with '${exit.reason}'`);
      for (const target of [0xffff_ffff_ffff_ffffn, 77n, 0x100_0000_0000n])
        guest.call(0, scene.mode.conduit, CPU_ON, target, (1n << 63n) | 3n, 0n);
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
