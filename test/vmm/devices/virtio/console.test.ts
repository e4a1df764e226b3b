import { describe, expect, it } from 'vitest';
import { VirtioConsole } from '../../../../src/vmm/devices/virtio/console/device.ts';
import { faces } from './faces.ts';
import { bringUp, type MakeFace, testEnv } from './guest.ts';

const DATA = 0x1_0000;
const bytes = (text: string) => new TextEncoder().encode(text);

function up(makeFace: MakeFace) {
  const printed: string[] = [];
  const make = (env: ReturnType<typeof testEnv>) =>
    new VirtioConsole({ write: (part) => void printed.push(new TextDecoder().decode(part)) }, env);
  return { printed, ...bringUp(makeFace, make) };
}

describe.each(faces)('console device over %s (virtio 1.3, 5.3)', (_, makeFace) => {
  it('prints what the driver transmits', () => {
    const { face, memory, rings, printed } = up(makeFace);
    memory.bytes.set(bytes('hello'), DATA);
    rings[1].add([{ address: DATA, length: 5 }]);
    face.notify(1);
    expect(printed.join('')).toBe('hello');
    expect(rings[1].take()).toEqual([{ head: 0, length: 0 }]);
  });

  it('gives typed bytes to the driver, at once or when it has buffers', () => {
    const { face, memory, rings, device } = up(makeFace);
    device.input(bytes('abcdef'));
    rings[0].add([{ address: DATA, length: 4, write: true }]);
    rings[0].add([{ address: DATA + 16, length: 4, write: true }]);
    rings[0].add([{ address: DATA + 32, length: 4, write: true }]);
    face.notify(0);
    expect(rings[0].take().map((used) => used.length)).toEqual([4, 2]);
    expect(memory.text(DATA, 4) + memory.text(DATA + 16, 2)).toBe('abcdef');
    device.input(bytes('g'));
    expect(memory.text(DATA + 32, 1)).toBe('g');
    expect(face.takeInterrupts().used).toBe(true);
  });

  it('tells its size and changes of it (5.3.4)', () => {
    const { face, device } = up(makeFace);
    expect([face.config(0, 2), face.config(2, 2)]).toEqual([80, 25]);
    device.resize(132, 43);
    expect([face.config(0, 2), face.config(2, 2)]).toEqual([132, 43]);
    expect(face.takeInterrupts()).toEqual({ used: false, config: true });
  });

  it('prints emergency writes without a queue (5.3.5)', () => {
    const { face, printed } = up(makeFace);
    face.setConfig(8, 4, 0x21);
    expect(printed.join('')).toBe('!');
  });

  it('keeps refused output and input apart from the rest', () => {
    const { face, memory, rings, printed, device } = up(makeFace);
    memory.sealed.push({ start: DATA, end: DATA + 4096 });
    rings[1].add([{ address: DATA, length: 5 }]);
    face.notify(1);
    expect(printed).toEqual([]);
    rings[0].add([{ address: DATA, length: 5, write: true }]);
    rings[0].add([{ address: DATA + 4096, length: 5, write: true }]);
    device.input(bytes('x'));
    expect(rings[0].take().map((used) => used.length)).toEqual([0, 1]);
    expect(memory.text(DATA + 4096, 1)).toBe('x');
    expect(device.refusals.counts.get('sealed')).toBe(2);
  });

  it('saves input that the guest has not taken', () => {
    const { face, memory, rings, device } = up(makeFace);
    device.input(bytes('later'));
    const state = JSON.parse(JSON.stringify(face.save()));
    const copy = new VirtioConsole({ write: () => {} }, testEnv(memory));
    const restored = face.restored(copy, state);
    rings[0].add([{ address: DATA, length: 16, write: true }]);
    restored.notify(0);
    expect(memory.text(DATA, 5)).toBe('later');
  });
});
