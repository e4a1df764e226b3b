import { beforeEach, describe, expect, it } from 'vitest';
import {
  audit,
  FRAME_FFA,
  HYP,
  NOPAGE,
  OWNED,
  SHARED_BORROWED,
  SHARED_OWNED,
} from '../../../src/hypervisor/ledger/index.ts';
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
