import { describe, expect, it } from 'vitest';
import { Terminal, type TerminalKeys } from '../../src/cli/terminal.ts';
import { type FakeIo, fakeIo } from './fake-io.ts';

interface Opened {
  readonly fake: FakeIo;
  readonly terminal: Terminal;
  readonly events: string[];
}

function open(tty: boolean): Opened {
  const fake = fakeIo({ tty });
  const events: string[] = [];
  const keys: TerminalKeys = {
    input: (bytes) => events.push(`in:${Buffer.from(bytes).toString('latin1')}`),
    end: () => events.push('end'),
    quit: () => events.push('quit'),
    sendBreak: () => events.push('break'),
  };
  return { fake, terminal: new Terminal(fake.io.stdin, fake.io.stderr, keys), events };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a terminal', () => {
  it('is raw until it is given back, once', async () => {
    const { fake, terminal } = open(true);
    expect(fake.raw()).toBe(true);
    terminal.dispose();
    terminal.dispose();
    expect(fake.raw()).toBe(false);
  });

  it('passes keys, and keeps Ctrl-A and the key after it', async () => {
    const { fake, terminal, events } = open(true);
    fake.type('ls\r\x01xab\x01bc\x01\x01d');
    await settle();
    expect(events).toEqual(['in:ls\r', 'quit', 'in:ab', 'break', 'in:c', 'in:\x01', 'in:d']);
    terminal.dispose();
  });

  it('knows an escape that arrives in two pieces', async () => {
    const { fake, terminal, events } = open(true);
    fake.type('\x01');
    await settle();
    fake.type('x');
    await settle();
    expect(events).toEqual(['quit']);
    terminal.dispose();
  });

  it('shows help on stderr', async () => {
    const { fake, terminal } = open(true);
    fake.type('\x01h');
    await settle();
    expect(fake.err()).toMatch(/Ctrl-A x {2}switch the machine off and leave\n/);
    terminal.dispose();
  });

  it('is restored when the process exits without another word', () => {
    const { fake, terminal } = open(true);
    const exit = process.listeners('exit').at(-1);
    exit?.(0);
    expect(fake.raw()).toBe(false);
    terminal.dispose();
  });
});

describe('a pipe', () => {
  it('passes every byte and its end', async () => {
    const { fake, terminal, events } = open(false);
    fake.type('\x01x');
    fake.hangUp();
    await settle();
    expect(events).toEqual(['in:\x01x', 'end']);
    terminal.dispose();
  });

  it('is not read while the guest has no room', async () => {
    const { fake, terminal, events } = open(false);
    await settle();
    terminal.pause();
    fake.type('later');
    await settle();
    expect(events).toEqual([]);
    terminal.resume();
    await settle();
    expect(events).toEqual(['in:later']);
    terminal.dispose();
  });
});
