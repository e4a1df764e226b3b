import { describe, expect, it } from 'vitest';
import { LINE_BREAK, LINE_IDLE } from '../../../src/vmm/devices/index.ts';
import { MachineConsole } from '../../../src/vmm/machine/console.ts';

describe('console', () => {
  it('gathers output until it is flushed, in any amount', () => {
    const console = new MachineConsole();
    const pieces: Uint8Array[] = [];
    console.onOutput((bytes) => {
      pieces.push(bytes);
      return undefined;
    });
    for (let i = 0; i < 10_000; i++) console.transmit(i & 0xff);
    expect(pieces.length).toBe(0);
    expect(console.flush()).toBeUndefined();
    expect(pieces.map((piece) => piece.length)).toEqual([10_000]);
    expect(pieces[0][9_999]).toBe(9_999 & 0xff);
    expect(console.flush()).toBeUndefined();
    expect(pieces.length).toBe(1);
  });

  it('says when a listener cannot take more', async () => {
    const console = new MachineConsole();
    let release = () => {};
    console.onOutput(() => new Promise<void>((resolve) => (release = resolve)));
    console.transmit(65);
    const held = console.flush();
    let done = false;
    held?.then(() => (done = true));
    await Promise.resolve();
    expect(done).toBe(false);
    release();
    await held;
    expect(console.flush()).toBeUndefined();
  });

  it('keeps input in order, with breaks and what the port gives back', () => {
    const console = new MachineConsole();
    console.write('ab');
    console.sendBreak();
    console.write(new Uint8Array([200]));
    const first = [console.receive(), console.receive()];
    console.giveBack(first);
    const rest = Array.from({ length: 5 }, () => console.receive());
    expect(rest).toEqual([97, 98, LINE_BREAK, 200, LINE_IDLE]);
  });

  it('asks its writer to slow down, and says when to go on', () => {
    const console = new MachineConsole();
    let drained = 0;
    console.onDrain(() => drained++);
    expect(console.write(new Uint8Array(70_000))).toBe(false);
    for (let i = 0; i < 6_000; i++) console.receive();
    expect(drained).toBe(1);
    expect(console.write('x')).toBe(true);
    let rest = 0;
    while (console.receive() !== LINE_IDLE) rest++;
    expect(rest).toBe(64_001);
  });

  it('has ended once its last input is read', () => {
    const console = new MachineConsole();
    console.write('a');
    console.endInput();
    expect(console.inputEnded).toBe(false);
    console.receive();
    expect(console.inputEnded).toBe(true);
  });
});
