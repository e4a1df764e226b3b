import { describe, expect, it } from 'vitest';
import type { DeviceEnv } from '../../../../src/vmm/devices/virtio/device.ts';
import { F_EVENT_IDX, F_INDIRECT_DESC, STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import { VirtioRng } from '../../../../src/vmm/devices/virtio/rng/device.ts';
import { bringUp, GuestMemory, MmioFace, type Rig, SplitRing, start, testEnv } from './guest.ts';

const makeFace = (...args: ConstructorParameters<typeof MmioFace>) => new MmioFace(...args);
const rng = (env: DeviceEnv) => new VirtioRng({}, env);

/** A rig whose rings are known to be split. */
function up(options = {}) {
  const rig = bringUp(makeFace, rng, options);
  return { ...rig, rings: rig.rings.filter((ring) => ring instanceof SplitRing) };
}
type SplitRig = ReturnType<typeof up>;

const buffer = (index = 0, length = 8) => ({ address: 0x8000 + 64 * index, length, write: true });

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

function needsReset({ face }: Pick<Rig<VirtioRng>, 'face'>): boolean {
  const set = (face.status() & STATUS.NEEDS_RESET) !== 0;
  if (set !== face.takeInterrupts().config) throw new Error('NEEDS_RESET without a configuration interrupt');
  return set;
}

describe('split virtqueue (virtio 1.3, 2.7)', () => {
  it('wraps around its ring and its 16-bit indices', () => {
    const rig = up({ ringSize: 4 });
    for (let turn = 0; turn < 70_000; turn++) {
      const head = rig.rings[0].add([buffer()]);
      rig.rings[0].setUsedEvent(turn & 0xffff);
      rig.face.notify(0);
      const [used] = rig.rings[0].take();
      if (used.head !== head || used.length !== 8) throw new Error(`turn ${turn}: ${JSON.stringify(used)}`);
    }
    expect(rig.face.takeInterrupts()).toEqual({ used: true, config: false });
  });

  it('follows chains of direct and of indirect descriptors (2.7.5.3)', () => {
    const rig = up();
    rig.rings[0].add([buffer(0), buffer(1), buffer(2)]);
    rig.rings[0].add([buffer(3), buffer(4)], 0xa000);
    rig.face.notify(0);
    expect(rig.rings[0].take()).toEqual([
      { head: 0, length: 24 },
      { head: 3, length: 16 },
    ]);
  });

  it('interrupts only when the used index passes used_event (2.7.7)', () => {
    const rig = up();
    rig.rings[0].setUsedEvent(2);
    for (const expected of [false, false, true, false]) {
      rig.rings[0].add([buffer()]);
      rig.face.notify(0);
      expect(rig.face.takeInterrupts().used).toBe(expected);
    }
  });

  it('interrupts once for a batch', () => {
    const rig = up();
    for (let i = 0; i < 5; i++) rig.rings[0].add([buffer(i)]);
    rig.face.notify(0);
    expect(rig.rings[0].take().length).toBe(5);
    expect(rig.face.takeInterrupts().used).toBe(true);
    expect(rig.face.takeInterrupts().used).toBe(false);
  });

  it('asks for a notification at the next chain through avail_event (2.7.10)', () => {
    const rig = up();
    rig.rings[0].add([buffer()]);
    rig.rings[0].add([buffer()]);
    rig.face.notify(0);
    expect(rig.rings[0].availEvent).toBe(2);
  });

  it('honours NO_INTERRUPT when event indices were not negotiated (2.7.7)', () => {
    const rig = up({ without: F_EVENT_IDX });
    rig.memory.view.setUint16(rig.rings[0].available, 1, true);
    rig.rings[0].add([buffer()]);
    rig.face.notify(0);
    expect(rig.face.takeInterrupts().used).toBe(false);
    rig.memory.view.setUint16(rig.rings[0].available, 0, true);
    rig.rings[0].add([buffer()]);
    rig.face.notify(0);
    expect(rig.face.takeInterrupts().used).toBe(true);
  });
});

describe('hostile rings', () => {
  const attacks: [string, (rig: SplitRig) => void][] = [
    ['a head outside the ring', ({ rings }) => rings[0].offer(16)],
    [
      'a link outside the ring',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0x8000, 8, WRITE | NEXT, 16);
        rings[0].offer(0);
      },
    ],
    [
      'a chain that loops',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0x8000, 8, WRITE | NEXT, 1);
        rings[0].raw(rings[0].descriptors + 16, 0x8000, 8, WRITE | NEXT, 0);
        rings[0].offer(0);
      },
    ],
    [
      'an available index that runs ahead of the ring',
      ({ rings, memory }) => memory.view.setUint16(rings[0].available + 2, 17, true),
    ],
    [
      'a readable buffer after a writable one',
      ({ rings }) => void rings[0].add([buffer(), { address: 0x8000, length: 8 }]),
    ],
    [
      'an indirect table of a length that is no multiple of 16',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0xa000, 24, INDIRECT, 0);
        rings[0].offer(0);
      },
    ],
    [
      'an empty indirect table',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0xa000, 0, INDIRECT, 0);
        rings[0].offer(0);
      },
    ],
    [
      'an indirect table of 4 GiB',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0xa000, 0xffff_fff0, INDIRECT, 0);
        rings[0].offer(0);
      },
    ],
    [
      'an indirect table inside an indirect table',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0xa000, 16, INDIRECT, 0);
        rings[0].raw(0xa000, 0xa000, 16, INDIRECT, 0);
        rings[0].offer(0);
      },
    ],
    [
      'a loop in an indirect table',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0xa000, 32, INDIRECT, 0);
        rings[0].raw(0xa000, 0x8000, 8, WRITE | NEXT, 0);
        rings[0].offer(0);
      },
    ],
    [
      'an indirect descriptor with a next one',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 0xa000, 16, INDIRECT | NEXT, 1);
        rings[0].offer(0);
      },
    ],
    [
      'a chain of more than 4 GiB',
      ({ rings }) => void rings[0].add([buffer(0, 0xffff_ffff), buffer(0, 0xffff_ffff)]),
    ],
    [
      'an indirect table above all memory',
      ({ rings }) => {
        rings[0].raw(rings[0].descriptors, 2 ** 60, 16, INDIRECT, 0);
        rings[0].offer(0);
      },
    ],
    [
      'a ring in refused memory',
      ({ rings, memory }) => void memory.sealed.push({ start: rings[0].available, end: rings[0].used }),
    ],
    [
      'a used ring in refused memory',
      ({ rings, memory }) => {
        memory.sealed.push({ start: rings[0].used, end: rings[0].end });
        rings[0].add([buffer()]);
      },
    ],
  ];

  it.each(attacks)('%s puts the device in NEEDS_RESET until it is reset', (_, attack) => {
    const rig = up();
    attack(rig);
    rig.face.notify(0);
    expect(needsReset(rig)).toBe(true);
    rig.rings[0].add([buffer()]);
    rig.face.notify(0);
    expect(rig.rings[0].take()).toEqual([]);
    rig.memory.sealed.length = 0;
    const [ring] = start(rig.face, rig.memory, rig.device);
    ring.add([buffer()]);
    rig.face.notify(0);
    expect(ring.take()).toEqual([{ head: 0, length: 8 }]);
  });

  it('an indirect descriptor that was not negotiated breaks the queue', () => {
    const rig = up({ without: F_INDIRECT_DESC });
    rig.rings[0].add([buffer()], 0xa000);
    rig.face.notify(0);
    expect(needsReset(rig)).toBe(true);
  });

  it('names the rule when a ring is refused', () => {
    const rig = up();
    rig.memory.sealed.push({ start: rig.rings[0].available, end: rig.rings[0].used });
    rig.face.notify(0);
    expect(rig.log.some((line) => line.level === 'error' && line.message.includes("rule 'sealed'"))).toBe(
      true,
    );
  });

  it('a used ring laid over the available ring does no harm', () => {
    const rig = up({ without: F_EVENT_IDX });
    const [ring] = rig.rings;
    rig.face.setStatus(0);
    rig.face.accept(rig.face.offered() & ~F_EVENT_IDX);
    rig.face.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK);
    rig.face.setQueue(0, 16, ring.descriptors, ring.available, ring.available);
    rig.face.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK | STATUS.DRIVER_OK);
    ring.add([buffer()]);
    rig.memory.accesses = 0;
    for (let turn = 0; turn < 3; turn++) rig.face.notify(0);
    expect(rig.memory.accesses).toBeLessThan(1000);
  });

  /** Another vCPU's thread: each time the device looks, one more chain is available. */
  function busyDriver() {
    const memory = new GuestMemory();
    const jobs: (() => void)[] = [];
    const env = { ...testEnv(memory), defer: (job: () => void) => void jobs.push(job) };
    const device = rng(env);
    const face = new MmioFace(device);
    const [ring] = start(face, memory, device);
    const read = memory.read.bind(memory);
    let adding = true;
    memory.read = (address, into) => {
      if (adding && address === ring.driver + 2) ring.add([buffer()]);
      return read(address, into);
    };
    face.notify(0);
    const stop = () => {
      adding = false;
    };
    return { memory, device, face, ring, jobs, stop };
  }

  it('a driver that never stops adding chains gets turns of bounded length', () => {
    const { memory, face, ring, jobs, stop } = busyDriver();
    expect(jobs.length).toBe(1);
    memory.accesses = 0;
    jobs.shift()?.();
    expect(memory.accesses).toBeLessThan(16 * 64);
    expect(ring.take().length).toBeGreaterThan(0);
    stop();
    jobs.shift()?.();
    expect(jobs).toEqual([]);
    face.notify(0);
    expect(face.status() & STATUS.NEEDS_RESET).toBe(0);
  });

  it('a turn that was put off does not happen after a reset', () => {
    const { memory, device, face, jobs, stop } = busyDriver();
    stop();
    const [late] = jobs;
    const [ring] = start(face, memory, device);
    ring.add([buffer()]);
    late();
    expect(ring.take()).toEqual([]);
  });

  it('a put-off turn is saved and happens on the restored side', () => {
    const { memory, face, ring, stop } = busyDriver();
    stop();
    ring.take();
    ring.add([buffer()]);
    const jobs: (() => void)[] = [];
    const copy = rng({ ...testEnv(memory), defer: (job) => void jobs.push(job) });
    face.restored(copy, JSON.parse(JSON.stringify(face.save())));
    jobs[0]();
    expect(ring.take().length).toBeGreaterThan(0);
  });
});
