import { describe, expect, it } from 'vitest';
import { BALLOON_F, VirtioBalloon } from '../../../../src/vmm/devices/virtio/balloon/device.ts';
import type { DeviceEnv } from '../../../../src/vmm/devices/virtio/device.ts';
import { faces } from './faces.ts';
import { bringUp, type MakeFace, testEnv } from './guest.ts';

const DATA = 0x1_0000;

function up(makeFace: MakeFace, without = 0n) {
  const calls: string[] = [];
  const backend = {
    inflate: (page: number) => void calls.push(`inflate ${page.toString(16)}`),
    deflate: (page: number) => void calls.push(`deflate ${page.toString(16)}`),
    report: (start: number, bytes: number) =>
      void calls.push(`free ${start.toString(16)}+${bytes.toString(16)}`),
  };
  const make = (env: DeviceEnv) => new VirtioBalloon({ backend }, env);
  return { calls, make, ...bringUp(makeFace, make, { without }) };
}

function statistic(rig: ReturnType<typeof up>, value: number): void {
  rig.memory.view.setUint16(DATA, 4, true);
  rig.memory.view.setBigUint64(DATA + 2, BigInt(value), true);
  rig.rings[2].add([{ address: DATA, length: 10 }]);
}

describe.each(faces)('balloon device over %s (virtio 1.3, 5.5)', (_, makeFace) => {
  it('asks for pages through its configuration, and hears what it got', () => {
    const { face, device } = up(makeFace);
    device.setTarget(300);
    expect(face.takeInterrupts()).toEqual({ used: false, config: true });
    expect(face.config(0, 4)).toBe(300);
    face.setConfig(4, 4, 256);
    expect(device.actual).toBe(256);
  });

  it('passes page numbers on as guest-physical addresses (5.5.6)', () => {
    const { face, memory, rings, calls } = up(makeFace);
    memory.view.setUint32(DATA, 0x40000, true);
    memory.view.setUint32(DATA + 4, 0xffff_ffff, true);
    rings[0].add([{ address: DATA, length: 8 }]);
    face.notify(0);
    rings[1].add([{ address: DATA, length: 4 }]);
    face.notify(1);
    expect(calls).toEqual(['inflate 40000000', 'inflate ffffffff000', 'deflate 40000000']);
    expect(rings[0].take().length + rings[1].take().length).toBe(2);
  });

  it('holds the statistics buffer until it wants new ones (5.5.6.3)', () => {
    const rig = up(makeFace);
    expect(rig.device.askStatistics()).toBe(false);
    statistic(rig, 1000);
    rig.face.notify(2);
    expect(rig.device.statistics.get(4)).toBe(1000n);
    expect(rig.rings[2].take()).toEqual([]);
    expect(rig.device.askStatistics()).toBe(true);
    expect(rig.rings[2].take().length).toBe(1);
    expect(rig.device.askStatistics()).toBe(false);
    statistic(rig, 2000);
    rig.face.notify(2);
    expect(rig.device.statistics.get(4)).toBe(2000n);
  });

  it('still holds that buffer after a restore', () => {
    const rig = up(makeFace);
    statistic(rig, 1000);
    rig.face.notify(2);
    const state = JSON.parse(JSON.stringify(rig.face.save()));
    const device = rig.make(testEnv(rig.memory));
    rig.face.restored(device, state);
    expect(device.askStatistics()).toBe(true);
    expect(rig.rings[2].take()).toEqual([{ head: 0, length: 0 }]);
  });

  it('takes reports of free pages, on the queue that the taken features leave (5.5.6.7)', () => {
    const report = [
      { address: 0x4000_0000, length: 0x20_0000, write: true },
      { address: 0x5000_0000, length: 0x1000, write: true },
    ];
    const all = up(makeFace);
    all.rings[3].add(report);
    all.face.notify(3);
    expect(all.calls).toEqual(['free 40000000+200000', 'free 50000000+1000']);
    const few = up(makeFace, BALLOON_F.STATS_VQ);
    few.rings[2].add(report);
    few.face.notify(2);
    expect(few.calls).toEqual(all.calls);
    expect(few.rings[2].take().length).toBe(1);
  });

  it('skips refused page numbers and names the rule', () => {
    const { face, memory, rings, calls, device } = up(makeFace);
    memory.sealed.push({ start: DATA, end: DATA + 4096 });
    rings[0].add([{ address: DATA, length: 8 }]);
    face.notify(0);
    expect(calls).toEqual([]);
    expect(rings[0].take()).toEqual([{ head: 0, length: 0 }]);
    expect(device.refusals.counts.get('sealed')).toBe(1);
  });
});
