import { describe, expect, it } from 'vitest';
import type { SerialSink } from '../../src/cli/output.ts';
import { runSession, type SessionOptions } from '../../src/cli/session.ts';
import { MachineConsole, type MachineEnd } from '../../src/vmm/index.ts';
import { fakeIo } from './fake-io.ts';

/** A machine that does what the test says and ends when told to. */
class FakeMachine {
  readonly console = new MachineConsole();
  private finish: (end: MachineEnd) => void = () => {};
  private readonly ended = new Promise<MachineEnd>((resolve) => {
    this.finish = resolve;
  });

  run(): Promise<MachineEnd> {
    return this.ended;
  }

  quit(): void {
    this.end({ reason: 'quit', status: 0, message: 'ended by request' });
  }

  end(end: MachineEnd): void {
    this.finish(end);
  }

  print(text: string): Promise<void> | undefined {
    for (const byte of Buffer.from(text, 'latin1')) this.console.transmit(byte);
    return this.console.flush();
  }
}

const POWEROFF: MachineEnd = { reason: 'poweroff', status: 0, message: 'the guest powered off' };
const CRASH: MachineEnd = { reason: 'crash', status: 3, message: 'Kernel panic - not syncing: no init' };

function start(more: Partial<SessionOptions> = {}, tty = false) {
  const machine = new FakeMachine();
  const fake = fakeIo({ tty });
  const written: string[] = [];
  const sink: SerialSink = {
    write: (bytes) => {
      written.push(Buffer.from(bytes).toString('latin1'));
      return undefined;
    },
    close: async () => {},
  };
  const status = runSession({
    machine,
    sink,
    interactive: true,
    timeoutSeconds: undefined,
    outputClosed: new Promise(() => {}),
    io: fake.io,
    ...more,
  });
  return { machine, fake, written, status };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a session ends with a status that scripts can rely on', () => {
  it('0 without a word where the guest powers off', async () => {
    const { machine, fake, status } = start();
    machine.end(POWEROFF);
    expect(await status).toBe(0);
    expect(fake.err()).toBe('');
  });

  it('3 where the guest crashes, with its last lines where nobody saw them', async () => {
    const { machine, fake, status } = start({ interactive: false });
    machine.print('one\r\ntwo\r\n');
    machine.end(CRASH);
    expect(await status).toBe(3);
    await settle();
    expect(fake.err()).toBe(
      'ringfence: the guest crashed: Kernel panic - not syncing: no init\n  | one\n  | two\n',
    );
  });

  it('124 when time is up', async () => {
    const { fake, status } = start({ timeoutSeconds: 0.01 });
    expect(await status).toBe(124);
    await settle();
    expect(fake.err()).toBe('ringfence: time-out after 0.01 s\n');
  });

  it('0 for Ctrl-A x', async () => {
    const { fake, status } = start({}, true);
    fake.type('\x01x');
    expect(await status).toBe(0);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('128 and its number for %s', async (signal, expected) => {
    const { status } = start();
    process.emit(signal);
    expect(await status).toBe(expected);
    expect(process.listenerCount(signal)).toBe(0);
  });

  it('141 when the reader of stdout has gone', async () => {
    const { status } = start({ outputClosed: Promise.resolve() });
    expect(await status).toBe(141);
  });
});

describe('a session', () => {
  it('gives the terminal back before it tells anything', async () => {
    const { machine, fake, status } = start({}, true);
    expect(fake.raw()).toBe(true);
    machine.end(CRASH);
    await status;
    expect(fake.raw()).toBe(false);
  });

  it('gives the terminal back when the machine fails', async () => {
    const machine = new FakeMachine();
    machine.run = () => Promise.reject(new Error('broken'));
    const { fake, status } = start({ machine }, true);
    await expect(status).rejects.toThrow('broken');
    expect(fake.raw()).toBe(false);
  });

  it('carries keys to the guest and output to the sink', async () => {
    const { machine, fake, written, status } = start();
    fake.type('ls\n');
    await settle();
    expect(machine.console.receive()).toBe('l'.charCodeAt(0));
    machine.print('files\r\n');
    expect(written).toEqual(['files\r\n']);
    machine.end(POWEROFF);
    await status;
  });

  it('holds the guest up while the sink is full', async () => {
    let room = (): void => {};
    const sink: SerialSink = {
      write: () =>
        new Promise((resolve) => {
          room = resolve;
        }),
      close: async () => {},
    };
    const { machine, status } = start({ sink });
    const held = machine.print('much');
    let released = false;
    void held?.then(() => {
      released = true;
    });
    await settle();
    expect(released).toBe(false);
    room();
    await settle();
    expect(released).toBe(true);
    machine.end(POWEROFF);
    await status;
  });

  it('stops reading keys while the guest does not take them', async () => {
    const { machine, fake, status } = start();
    fake.type('x'.repeat(70_000));
    await settle();
    expect(fake.io.stdin.isPaused()).toBe(true);
    for (let i = 0; i < 70_000; i++) machine.console.receive();
    expect(fake.io.stdin.isPaused()).toBe(false);
    machine.end(POWEROFF);
    await status;
  });
});
