import { describe, expect, it } from 'vitest';
import { VirtioRng } from '../../../../src/vmm/devices/virtio/rng/device.ts';
import { faces } from './faces.ts';
import { bringUp } from './guest.ts';

describe.each(faces)('entropy device over %s (virtio 1.3, 5.4)', (_, makeFace) => {
  const up = () => bringUp(makeFace, (env) => new VirtioRng({}, env));

  it('fills each buffer and says how much it wrote', () => {
    const { face, memory, rings } = up();
    const head = rings[0].add([{ address: 0x8000, length: 64, write: true }]);
    face.notify(0);
    expect(rings[0].take()).toEqual([{ head, length: 64 }]);
    expect(memory.bytes.subarray(0x8000, 0x8040).some((byte) => byte !== 0)).toBe(true);
    expect(memory.bytes[0x8040]).toBe(0);
    expect(face.takeInterrupts()).toEqual({ used: true, config: false });
  });

  it('answers an outsized request with less', () => {
    const { face, rings } = up();
    rings[0].add([{ address: 0x8000, length: 0x10_0000, write: true }]);
    face.notify(0);
    expect(rings[0].take()[0].length).toBe(4096);
  });

  it('writes nothing into memory that refuses, and names the rule', () => {
    const { face, memory, rings, log, device } = up();
    memory.sealed.push({ start: 0x8000, end: 0x9000 });
    const head = rings[0].add([{ address: 0x8000, length: 64, write: true }]);
    face.notify(0);
    expect(rings[0].take()).toEqual([{ head, length: 0 }]);
    expect(device.refusals.counts.get('sealed')).toBe(1);
    expect(log.some((line) => line.message.includes("rule 'sealed' refused 0x8000"))).toBe(true);
  });
});
