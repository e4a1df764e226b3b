// Everything that anybody on a scene's host can do, one step each, with a name that reads as a sentence. A step that
// the host does not take throws Errno or comes to nothing; both leave the state as it was.

import {
  FRAME_FFA,
  forceReclaim,
  guestShareHost,
  guestUnshareHost,
  hostDonateGuest,
  hostDonateHyp,
  hostShareFfa,
  hostShareGuest,
  hostShareHyp,
  hostUnshareFfa,
  hostUnshareGuest,
  hostUnshareHyp,
  hypDonateHost,
  pin,
  reclaim,
  SHARED_OWNED,
  type Transition,
  unpin,
} from '../../hypervisor/ledger/index.ts';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../../hypervisor/slots/index.ts';
import { exportPage, importPage, SwitchOver, type VcpuAccess } from '../../hypervisor/stage2/index.ts';
import { Errno, type FrameNumber, frameNumber, gpa, type Hva, hva, PAGE_SIZE } from '../../lib/index.ts';
import { DEVICE_GFNS, gfnsOf, type Scene } from './scenes.ts';
import { addAnonymousSlot, addMemfdSlot, type Process, type Vm, type World } from './world.ts';

export interface Step {
  readonly name: string;
  take(world: World): void;
}

const byte = new Uint8Array(1);
/** All content is this byte and zeroes, so that what pages hold makes no states of its own. */
const MARK = 0xa5;

const refuse = (why: string): never => {
  throw new Errno('EINVAL', why);
};

/** All steps of a scene, in a fixed order. */
export function stepsOf(scene: Scene): Step[] {
  const steps: Step[] = [];
  scene.vms.forEach((_, n) => {
    steps.push(...guestSteps(scene, n), ...vmmSteps(scene, n), ...deviceSteps(scene, n));
  });
  const processes = scene.oneProcess ? 1 : scene.vms.length;
  for (let p = 0; p < processes; p++) steps.push(...processSteps(scene, p));
  if (scene.migration) steps.push(migrationStep(0, 1), migrationStep(1, 0));
  if (scene.merge) steps.push({ name: 'kernel merges equal pages', take: merge });
  if (scene.hypervisor) {
    for (let frame = 0; frame < scene.frames; frame++) steps.push(...hypervisorSteps(frameNumber(frame)));
  }
  if (scene.hostile) for (const n of scene.vms.keys()) steps.push(...hostileSteps(scene, n));
  return steps;
}

// ---------------------------------------------------------------- a guest

function guestSteps(scene: Scene, n: number): Step[] {
  const plan = scene.vms[n];
  const who = `vm${n}'s vCPU`;
  const steps: Step[] = [];
  const step = (name: string, act: (vm: Vm, world: World) => void): void => {
    steps.push({ name: `${who} ${name}`, take: (world) => act(living(world, n), world) });
  };
  for (const gfn of gfnsOf(plan)) {
    const address = gpa(gfn * PAGE_SIZE);
    step(`loads from GFN ${gfn}`, (vm, world) => emulated(vm, world, gfn, vm.vcpu.load(address)));
    step(`stores to GFN ${gfn}`, (vm, world) =>
      emulated(vm, world, gfn, vm.vcpu.store(address, BigInt(MARK))),
    );
    if (!plan.isProtected) continue;
    step(`shares GFN ${gfn} with the host`, (vm) => void vm.memory.shareWithHost(address, 0));
    step(`unshares GFN ${gfn}`, (vm) => void vm.memory.unshareFromHost(address));
  }
  for (let page = 0; page < plan.memfd; page++) {
    for (const to of ['private', 'shared'] as const) {
      step(`asks that memfd page ${page} become ${to}`, (vm) =>
        vm.memfd!.convert(page * PAGE_SIZE, PAGE_SIZE, to, true),
      );
    }
  }
  if (plan.guard) steps.push(...guardSteps(n, plan.isProtected));
  return steps;
}

/** The guest talks to the MMIO guard, and to devices that it has named to it or not. */
function guardSteps(n: number, isProtected: boolean): Step[] {
  const [device, other] = DEVICE_GFNS;
  const steps: Step[] = [];
  const step = (name: string, act: (vm: Vm, world: World) => void): void => {
    steps.push({ name: `vm${n}'s vCPU ${name}`, take: (world) => act(living(world, n), world) });
  };
  if (!isProtected) {
    step('enrols with the MMIO guard', (vm) => {
      vm.memory.mmioGuard.enroll();
      vm.guards = true;
    });
  }
  step(`guards device page ${device}`, (vm) => {
    if (!vm.guards) refuse('the guest has not enrolled');
    vm.memory.mmioGuard.map(device);
    vm.guarded.add(device);
  });
  step(`no longer guards device page ${device}`, (vm) => {
    vm.memory.mmioGuard.unmap(device);
    vm.guarded.delete(device);
  });
  for (const gfn of [device, other])
    step(`stores to device page ${gfn}`, (vm, world) =>
      emulated(vm, world, gfn, vm.vcpu.store(gpa(gfn * PAGE_SIZE), 1n)),
    );
  return steps;
}

/** What became of an access: the VMM sees exactly those for which the guest's notes say so. */
function emulated(vm: Vm, { ledger }: World, gfn: number, access: VcpuAccess): void {
  const permitted = !vm.guards || vm.guarded.has(gfn);
  if ((access.kind === 'mmio' && !permitted) || (access.kind === 'abort' && permitted))
    ledger.broken.push({
      invariant: 'guarded',
      found: `an access of vm ${vm.memory.guest.handle.toString(16)} to GFN ${gfn} came to ${access.kind}`,
    });
}

/** The VM's number n while it lives; a step about a dead one is refused. */
function living(world: World, n: number): Vm {
  const vm = world.vms[n];
  return vm.alive ? vm : refuse('the VM has ended');
}

// ---------------------------------------------------------------- its VMM

function vmmSteps(scene: Scene, n: number): Step[] {
  const plan = scene.vms[n];
  const steps: Step[] = [];
  const step = (name: string, act: (vm: Vm, world: World) => void): void => {
    steps.push({ name: `vm${n}'s VMM ${name}`, take: (world) => act(living(world, n), world) });
  };
  for (let page = 0; page < plan.memfd; page++) {
    const at = page * PAGE_SIZE;
    step(`makes memfd page ${page} private`, (vm) => vm.memfd!.convert(at, PAGE_SIZE, 'private'));
    step(`makes memfd page ${page} shared`, (vm) => vm.memfd!.convert(at, PAGE_SIZE, 'shared'));
    step(`allocates memfd page ${page}`, (vm) => vm.memfd!.fallocate(FALLOC_KEEP_SIZE, at, PAGE_SIZE));
    step(`punches memfd page ${page}`, (vm) =>
      vm.memfd!.fallocate(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, at, PAGE_SIZE),
    );
    step(`writes to its view of memfd page ${page}`, (vm) => {
      vm.process.space.port.write(vm.process.memfdAt.get(n)! + at, byte.fill(MARK));
    });
  }
  for (const gfn of gfnsOf(plan)) {
    step(`exports GFN ${gfn} for migration`, (vm) => void exportPage(vm.memory, gfn));
  }
  const first = gfnsOf(plan)[0];
  step(`imports a private page to GFN ${first}`, (vm, world) => {
    const data = new Uint8Array(PAGE_SIZE);
    data[0] = MARK;
    importPage(vm.memory, { gfn: first, custody: 'private', data, tags: undefined });
    isLogged(vm, world, first);
  });
  if (plan.mte) {
    const tags = new Uint8Array(PAGE_SIZE / 16).fill(3);
    step(`copies tags into GFN ${first}`, (vm) => {
      vm.memory.copyTags({ ipa: first * PAGE_SIZE, length: PAGE_SIZE, flags: 0, tags });
    });
  }
  if (plan.logged) step('takes the dirty log', (vm) => void vm.memory.getDirtyLog(0));
  if (scene.slots) {
    for (const slot of plan.memfd > 0 ? [1] : [0]) {
      step('deletes its slot', (vm) =>
        vm.memory.setUserMemoryRegion({ slot, flags: 0, gpa: 0, size: 0, hva: 0 }),
      );
      step('makes its slot', (vm) => (slot === 0 ? addAnonymousSlot(vm) : addMemfdSlot(vm)));
    }
  }
  if (scene.ends) {
    step('ends the VM', (vm) => {
      vm.memory.destroy();
      vm.alive = false;
    });
  }
  return steps;
}

function isLogged({ memory }: Vm, { ledger }: World, gfn: number): void {
  if (memory.isUnloggedGfn(gfn))
    ledger.broken.push({ invariant: 'logged', found: `GFN ${gfn} has arrived and is not in the dirty set` });
}

// ---------------------------------------------------------------- migration

/** One VM's memory goes into the place of the other's, which has not begun; then the two are held against each other. */
function migrationStep(from: number, to: number): Step {
  return {
    name: `vm${from} is migrated into the place of vm${to}`,
    take: (world) => {
      const [source, there] = [living(world, from), living(world, to)];
      for (const gfn of gfnsOf(source.plan)) {
        const page = exportPage(source.memory, gfn);
        if (page) importPage(there.memory, page);
        else if (exportPage(there.memory, gfn)) refuse('the place is taken');
        if (page && page.custody !== 'poisoned') isLogged(there, world, gfn);
      }
      there.memory.mmioGuard.restore(source.memory.mmioGuard.save());
      there.guarded = new Set(source.guarded);
      const over = new SwitchOver(source.memory, there.memory);
      over.audit((invariant, found) => world.ledger.broken.push({ invariant, found }));
      over.end();
    },
  };
}

// ---------------------------------------------------------------- devices

function deviceSteps(scene: Scene, n: number): Step[] {
  const plan = scene.vms[n];
  const steps: Step[] = [];
  for (const gfn of gfnsOf(plan)) {
    const write = (port: 'device' | 'debuggerPort' | 'kvmPort') => (world: World) =>
      void living(world, n)[port].write(gfn * PAGE_SIZE, byte.fill(MARK));
    steps.push({ name: `vm${n}'s device writes to GFN ${gfn}`, take: write('device') });
    steps.push({ name: `vm${n}'s debugger writes to GFN ${gfn}`, take: write('debuggerPort') });
    steps.push({ name: `KVM itself writes to GFN ${gfn} of vm${n}`, take: write('kvmPort') });
  }
  if (plan.iommu === undefined) return steps;
  const map = (what: string, act: (vm: Vm) => void): void => {
    steps.push({
      name: `vm${n}'s VMM maps ${what} for its assigned device`,
      take: (world) => {
        const vm = living(world, n);
        act(vm);
        vm.assigned!.mapped = what;
      },
    });
  };
  for (const gfn of gfnsOf(plan)) {
    map(`GFN ${gfn}`, (vm) => vm.assigned!.domain.mapGpa(0, vm.memory, gfn * PAGE_SIZE, PAGE_SIZE, true));
  }
  if (plan.anonymous > 0) {
    map('its own page 0', ({ assigned, process }) =>
      assigned!.domain.mapHva(0, process.space, process.ram, PAGE_SIZE, true),
    );
  }
  if (plan.memfd > 0) {
    map('memfd page 0', (vm) => vm.assigned!.domain.mapMemfd(0, vm.memfd!, 0, PAGE_SIZE, true));
  }
  steps.push({
    name: `vm${n}'s VMM unmaps what its assigned device has`,
    take: ({ vms }) => {
      const { assigned } = vms[n];
      assigned!.domain.unmap(0, PAGE_SIZE);
      assigned!.mapped = undefined;
    },
  });
  steps.push({
    name: `vm${n}'s assigned device writes`,
    take: ({ vms }) => void vms[n].assigned!.port.write(0, byte.fill(MARK)),
  });
  return steps;
}

// ---------------------------------------------------------------- a process and the host's kernel

function processSteps(scene: Scene, p: number): Step[] {
  const steps: Step[] = [];
  const pages = Math.max(1, scene.vms[p].anonymous);
  for (let page = 0; page < pages; page++) {
    const at = ({ ram }: Process): Hva => hva(ram + page * PAGE_SIZE);
    const step = (name: string, act: (process: Process, world: World) => void): void => {
      steps.push({ name: `${name} of process ${p}`, take: (world) => act(world.processes[p], world) });
    };
    step(`the VMM reads page ${page}`, (of) => void of.space.port.read(at(of), byte));
    step(`the VMM writes page ${page}`, (of) => void of.space.port.write(at(of), byte.fill(MARK)));
    step(`the VMM drops page ${page}`, (of) => {
      of.space.madviseDontneed(at(of), PAGE_SIZE);
      of.swapped.delete(page);
    });
    step(`the kernel writes page ${page}`, (of) => void of.kernelPort.write(at(of), byte.fill(MARK)));
    step(`the kernel takes page ${page}`, (of, { kernel }) => void kernel.getUserPage(of.space, at(of)));
    if (scene.swap) step(`the kernel swaps out page ${page}`, (of, world) => swapOut(of, page, world));
  }
  return steps;
}

function swapOut({ space, ram, swapped }: Process, page: number, { kernel, ledger }: World): void {
  const frame = space.frameAt(ram / PAGE_SIZE + page);
  const tagged = frame >= 0 && (ledger.frames.flags[frame] & 1) !== 0;
  kernel.swapOut(space, hva(ram + page * PAGE_SIZE));
  swapped.set(page, tagged);
}

function merge({ kernel, processes }: World): void {
  kernel.merge(processes.map(({ space }) => space));
}

// ---------------------------------------------------------------- the hypervisor

/** What the host's kernel lends or gives to EL2 or to a secure partition it holds on to, as the real one does. */
function hypervisorSteps(frame: FrameNumber): Step[] {
  const run = (world: World, ...transitions: Transition[]): void => {
    const { ledger } = world;
    const { frames } = ledger;
    if (frames.refs[frame] + frames.pins[frame] + frames.owner[frame] === 0) refuse('nobody holds the frame');
    for (const transition of transitions) ledger.run(transition, { frames, frame });
    ledger.releaseIfUnused(frame);
  };
  /** A loan's own pin goes with the loan; where there is none, the call is tried as it is. */
  const takeBack = (transition: Transition, secure: boolean) => (world: World) => {
    const { ledger } = world;
    const { frames } = ledger;
    const isLoan =
      frames.state[frame] === SHARED_OWNED &&
      frames.lent[frame] === 0 &&
      ((frames.flags[frame] & FRAME_FFA) !== 0) === secure;
    if (!isLoan) return run(world, transition);
    ledger.run(unpin, { frames, frame });
    try {
      run(world, transition);
    } catch (error) {
      ledger.run(pin, { frames, frame });
      throw error;
    }
  };
  return [
    { name: `the kernel lends frame ${frame} to the hypervisor`, take: (w) => run(w, hostShareHyp, pin) },
    {
      name: `the kernel ends the hypervisor's loan of frame ${frame}`,
      take: takeBack(hostUnshareHyp, false),
    },
    { name: `the kernel gives frame ${frame} to the hypervisor`, take: (w) => run(w, hostDonateHyp) },
    { name: `the hypervisor gives frame ${frame} back`, take: (w) => run(w, hypDonateHost) },
    { name: `the kernel lends frame ${frame} to a secure partition`, take: (w) => run(w, hostShareFfa, pin) },
    {
      name: `the kernel ends the secure partition's loan of frame ${frame}`,
      take: takeBack(hostUnshareFfa, true),
    },
  ];
}

/** What a host that obeys nobody asks of EL2. */
const EL2_CALLS: readonly Transition[] = [
  hostShareGuest,
  hostUnshareGuest,
  hostDonateGuest,
  forceReclaim,
  reclaim,
  guestShareHost,
  guestUnshareHost,
];

/**
 * Calls that must be refused, with any frame and any GFN. Those that need not be are the proper calls, which the
 * other steps make; here they are left out.
 */
function hostileSteps(scene: Scene, n: number): Step[] {
  const steps: Step[] = [];
  for (const transition of EL2_CALLS) {
    for (const gfn of gfnsOf(scene.vms[n])) {
      for (let f = 0; f < scene.frames; f++) {
        const frame = frameNumber(f);
        steps.push({
          name: `a hostile host calls ${transition.name} with frame ${frame} and GFN ${gfn} of vm${n}`,
          take: (world) => {
            const { ledger } = world;
            const { guest } = living(world, n).memory;
            const site = { frames: ledger.frames, frame, guest, gfn };
            if (transition.needs.every((need) => need.holds(site))) refuse('a proper call');
            ledger.run(transition, site);
          },
        });
      }
    }
  }
  return steps;
}
