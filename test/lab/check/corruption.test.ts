import { beforeEach, describe, expect, it } from 'vitest';
import {
  audit,
  ENTRY_WRITE,
  FRAME_FFA,
  FRAME_MERGED,
  HYP,
  hostDonateGuest,
  INVARIANTS,
  type InvariantId,
  type Ledger,
  NOPAGE,
  OWNED,
  SHARED_BORROWED,
  SHARED_OWNED,
} from '../../../src/hypervisor/ledger/index.ts';
import { SwitchOver } from '../../../src/hypervisor/stage2/index.ts';
import { SCENES, Stage, sceneMemory, touchEverything, World } from '../../../src/lab/check/index.ts';
import { frameNumber } from '../../../src/lib/index.ts';

const scene = SCENES.find(({ name }) => name === 'protected')!;
const stage = new Stage(scene);
const step = (name: string): number => stage.steps.findIndex((one) => one.name === name);

/** vm0 has frame 0 as its private page at GFN 0; frame 1 is vm1's and shared; frame 2 is free. */
let world: World;
beforeEach(() => {
  world = new World(scene, sceneMemory(scene));
  for (const name of [
    "vm0's vCPU stores to GFN 0",
    "vm1's vCPU stores to GFN 0",
    "vm1's vCPU shares GFN 0 with the host",
  ])
    stage.steps[step(name)].take(world);
  touchEverything(world);
});

const found = (): string[] => [...new Set(audit(world.ledger).map(({ invariant }) => invariant))];

describe('the audit catches a corrupted record', () => {
  it('and finds nothing where nothing is wrong', () => {
    expect(found()).toEqual([]);
  });

  it.each<[string, string, () => void]>([
    [
      'another owner',
      'exclusive',
      () => {
        world.ledger.frames.owner[0] = 0x1001;
      },
    ],
    [
      'the hypervisor as owner',
      'mapped',
      () => {
        world.ledger.frames.owner[0] = HYP;
      },
    ],
    [
      'an owner that does not exist',
      'conserved',
      () => {
        world.ledger.frames.owner[0] = 0x1007;
      },
    ],
    [
      'another state',
      'mapped',
      () => {
        world.ledger.frames.state[0] = OWNED;
      },
    ],
    [
      'a private page marked shared',
      'mapped',
      () => {
        world.ledger.frames.state[0] = SHARED_BORROWED;
      },
    ],
    [
      'a shared page marked private',
      'mapped',
      () => {
        world.ledger.frames.state[1] = NOPAGE;
      },
    ],
    [
      'another GFN',
      'mapped',
      () => {
        world.ledger.frames.gfn[0] = 9;
      },
    ],
    [
      'no GFN',
      'mapped',
      () => {
        world.ledger.frames.gfn[0] = -1;
      },
    ],
    [
      'a loan that nobody has',
      'conserved',
      () => {
        world.ledger.frames.lent[0]++;
      },
    ],
    [
      'a holder too many',
      'conserved',
      () => {
        world.ledger.frames.refs[0]++;
      },
    ],
    [
      'a holder too few',
      'conserved',
      () => {
        world.ledger.frames.refs[1]--;
      },
    ],
    [
      'a pin too few',
      'contained',
      () => {
        world.ledger.frames.pins[0]--;
      },
    ],
    [
      'a loan to a secure partition',
      'conserved',
      () => {
        world.ledger.frames.flags[0] |= FRAME_FFA;
      },
    ],
    [
      'tags that were never initialised',
      'tagged',
      () => void world.ledger.memory.tags(frameNumber(0)).fill(3),
    ],
    ['a lost stage-2 entry', 'mapped', () => world.vms[0].memory.guest.table.set(0, 0)],
    [
      "another VM's page in stage 2",
      'exclusive',
      () => world.vms[1].memory.guest.table.set(0, world.vms[0].memory.guest.table.get(0)),
    ],
  ])('%s (%s)', (_, invariant, corrupt) => {
    corrupt();
    expect(found()).toContain(invariant);
  });

  it('data left in a free frame (scrubbed), and a free frame that says it is in use (conserved)', () => {
    const { frames, memory } = world.ledger;
    const frame = frames.take(0, 0);
    frames.refs[frame] = 0;
    frames.put(frame);
    expect(found()).toEqual([]);
    memory.data(frame)[100] = 1;
    expect(found()).toEqual(['scrubbed']);
    frames.state[frame] = SHARED_OWNED;
    expect(found()).toEqual(['scrubbed', 'conserved']);
  });

  it("a VMM's view that outlives a page's sharing (sealed)", () => {
    world.ledger.mutants = new Set(['guest_unshare_host!views']);
    stage.steps[step("vm1's vCPU unshares GFN 0")].take(world);
    expect(found()).toContain('sealed');
  });
});

/** A world of a scene after these steps. */
function worldAfter(sceneName: string, ...steps: string[]): World {
  const of = SCENES.find(({ name }) => name === sceneName)!;
  const made = new Stage(of);
  const there = new World(of, sceneMemory(of));
  for (const name of steps) made.steps.find((one) => one.name === name)!.take(there);
  return there;
}

const unguarded = { version: 1, enforced: false, enrolled: false, pages: [] } as const;

/** Two hosts' worth of one VM, at the moment of switch-over, with the destination then changed. */
function switched(change: (there: World['vms'][number], frame: number) => void): Ledger {
  const there = worldAfter(
    'migration',
    "vm0's vCPU stores to GFN 0",
    "vm0's vCPU guards device page 64",
    'vm0 is migrated into the place of vm1',
  );
  const [source, destination] = there.vms;
  new SwitchOver(source.memory, destination.memory);
  expect(audit(there.ledger)).toEqual([]);
  change(destination, destination.memory.guest.table.get(0) & 0xf_ffff);
  return there.ledger;
}

describe('every invariant notices', () => {
  const rows: Readonly<Record<InvariantId, readonly [what: string, corrupted: () => Ledger][]>> = {
    exclusive: [
      [
        "another VM's frame in stage 2",
        () => {
          world.vms[1].memory.guest.table.set(0, world.vms[0].memory.guest.table.get(0));
          return world.ledger;
        },
      ],
    ],
    sealed: [
      [
        'a view that was not told of an unsharing',
        () => {
          world.ledger.mutants = new Set(['guest_unshare_host!views']);
          stage.steps[step("vm1's vCPU unshares GFN 0")].take(world);
          return world.ledger;
        },
      ],
    ],
    mapped: [
      [
        'a record that names another GFN',
        () => {
          world.ledger.frames.gfn[0] = 9;
          return world.ledger;
        },
      ],
    ],
    frozen: [
      [
        'a GFN that comes back after its page was taken by force',
        () => {
          const { ledger, vms, kernel, processes } = world;
          kernel.getUserPage(processes[0].space, processes[0].ram);
          ledger.mutants = new Set(['host_donate_guest/not-poisoned', 'host_donate_guest/guest-NOPAGE']);
          const guest = vms[0].memory.guest;
          ledger.run(hostDonateGuest, { frames: ledger.frames, frame: frameNumber(0), guest, gfn: 0 });
          return ledger;
        },
      ],
    ],
    convertible: [
      [
        'a merged frame that a guest may write to',
        () => {
          const there = worldAfter('ordinary', "vm1's vCPU stores to GFN 0");
          there.ledger.frames.flags[there.vms[1].memory.guest.table.get(0) & 0xf_ffff] |= FRAME_MERGED;
          return there.ledger;
        },
      ],
    ],
    scrubbed: [
      [
        'data in a free frame',
        () => {
          const { frames, memory } = world.ledger;
          const frame = frames.take(0, 0);
          frames.refs[frame] = 0;
          frames.put(frame);
          memory.data(frame)[4095] = 1;
          return world.ledger;
        },
      ],
    ],
    tagged: [
      [
        'an untagged page in a VM with MTE',
        () => {
          const there = worldAfter('ordinary', "vm0's vCPU stores to GFN 0");
          there.ledger.frames.flags[there.vms[0].memory.guest.table.get(0) & 0xf_ffff] = 0;
          return there.ledger;
        },
      ],
    ],
    guarded: [
      [
        'a protected VM whose guard is off',
        () => {
          const there = worldAfter('guarded');
          there.vms[0].memory.mmioGuard.restore(unguarded);
          return there.ledger;
        },
      ],
      [
        'a guard that permits what it does not list',
        () => {
          const there = worldAfter('guarded', "vm0's vCPU guards device page 64");
          there.vms[0].memory.mmioGuard.permits = () => true;
          return there.ledger;
        },
      ],
    ],
    contained: [
      [
        'a page mapped for DMA whose pin is lost',
        () => {
          const there = worldAfter('hypervisor', "vm1's VMM maps GFN 0 for its assigned device");
          there.ledger.frames.pins.fill(0);
          return there.ledger;
        },
      ],
    ],
    logged: [
      [
        'a page of a logged slot that is writable and clean',
        () => {
          const there = worldAfter('ordinary', "vm1's vCPU loads from GFN 0");
          const { table } = there.vms[1].memory.guest;
          table.set(0, table.get(0) | ENTRY_WRITE);
          return there.ledger;
        },
      ],
    ],
    faithful: [
      [
        'another byte at the destination',
        () => switched(({ memory }, frame) => memory.ledger.memory.data(frameNumber(frame)).fill(1, 4095)),
      ],
      [
        'another tag',
        () => switched(({ memory }, frame) => memory.ledger.memory.tags(frameNumber(frame)).fill(9, 0, 1)),
      ],
      ['another custody', () => switched(({ memory }) => void memory.shareWithHost(0, 0))],
      ['another guard', () => switched(({ memory }) => void memory.mmioGuard.unmap(64))],
    ],
    conserved: [
      [
        'a holder too many',
        () => {
          world.ledger.frames.refs[0]++;
          return world.ledger;
        },
      ],
    ],
  };

  it.each(
    INVARIANTS.flatMap(({ id }) => rows[id].map(([what, corrupted]) => [id, what, corrupted] as const)),
  )('%s: %s', (id, _, corrupted) => {
    expect(audit(corrupted()).map(({ invariant }) => invariant)).toContain(id);
  });
});
