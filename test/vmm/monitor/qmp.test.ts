import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MachineEvents, MachineState } from '../../../src/vmm/index.ts';
import { Emitter } from '../../../src/vmm/machine/emitter.ts';
import { QmpServer } from '../../../src/vmm/monitor/index.ts';
import { JsonStream } from '../../../src/vmm/monitor/json-stream.ts';
import { QMP_COMMANDS, type QmpMachine, type QmpTable } from '../../../src/vmm/monitor/qmp-commands.ts';
import { QmpSession } from '../../../src/vmm/monitor/qmp-session.ts';

class FakeMachine implements QmpMachine {
  state: MachineState = 'running';
  readonly calls: string[] = [];
  held = 0;
  readonly emitter = new Emitter<MachineEvents>();

  on: QmpMachine['on'] = (event, listener) => this.emitter.on(event, listener);

  set(state: MachineState): void {
    this.state = state;
    this.emitter.emit('state', state);
  }

  async pause(): Promise<void> {
    await Promise.resolve();
    this.set('paused');
  }

  resume(): void {
    this.set('running');
  }

  reset(): void {
    this.calls.push('reset');
    this.emitter.emit('reset', { cause: 'host' });
  }

  powerdown(): void {
    this.calls.push('powerdown');
    this.emitter.emit('powerdown', {});
  }

  quit(): void {
    this.calls.push('quit');
    this.emitter.emit('end', { reason: 'quit', status: 0, message: '' });
  }

  stats(): ReturnType<QmpMachine['stats']> {
    return { instructions: 1, wallSeconds: 0, guestSeconds: 0, exits: {}, counters: {} };
  }

  guard: ReturnType<QmpMachine['mmioGuard']> = { enforced: false, enrolled: false, denials: 0, pages: [] };

  mmioGuard(): ReturnType<QmpMachine['mmioGuard']> {
    return this.guard;
  }

  explain(address: number): ReturnType<QmpMachine['explain']> {
    if (address < 0) throw new RangeError(`${address} is no guest-physical address`);
    return {
      gpa: address,
      path: [`gpa 0x${address.toString(16)}`, 'no-slot'],
      frame: undefined,
      owner: undefined,
      hostState: undefined,
      guestState: 'NOPAGE',
      pins: 0,
      accesses: [],
      history: [],
      emulation: 'vmm',
    };
  }

  get debugger(): QmpMachine['debugger'] {
    throw new Error('no debugger here');
  }

  expectEvents(): { dispose(): void } {
    this.held++;
    return { dispose: () => this.held-- };
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('QMP session (qmp-spec)', () => {
  let machine: FakeMachine;
  let session: QmpSession;
  let sent: Record<string, unknown>[];

  const open = (table: QmpTable = QMP_COMMANDS): void => {
    machine = new FakeMachine();
    sent = [];
    session = new QmpSession(machine, table, (text) => {
      expect(text.endsWith('\r\n')).toBe(true);
      sent.push(JSON.parse(text));
    });
    sent.splice(0);
  };
  const ask = async (request: unknown): Promise<Record<string, unknown>[]> => {
    await session.receive(bytes(typeof request === 'string' ? request : JSON.stringify(request)));
    return sent.splice(0);
  };
  const negotiate = (): Promise<unknown> => ask({ execute: 'qmp_capabilities' });

  beforeEach(() => open());

  it('greets with its version and no capabilities (2.2)', () => {
    const greeting: string[] = [];
    new QmpSession(machine, QMP_COMMANDS, (text) => greeting.push(text));
    expect(JSON.parse(greeting[0])).toMatchObject({
      QMP: { version: { qemu: { major: 0 } }, capabilities: [] },
    });
  });

  it('takes nothing before negotiation, and negotiates once (4)', async () => {
    expect(await ask({ execute: 'query-status', id: 7 })).toEqual([
      {
        error: {
          class: 'CommandNotFound',
          desc: "Expecting capabilities negotiation with 'qmp_capabilities'",
        },
        id: 7,
      },
    ]);
    expect(await ask({ execute: 'qmp_capabilities', arguments: { enable: ['oob'] } })).toMatchObject([
      { error: { class: 'GenericError' } },
    ]);
    expect(await negotiate()).toEqual([{ return: {} }]);
    expect(await negotiate()).toMatchObject([{ error: { class: 'CommandNotFound' } }]);
  });

  it('echoes the id of any kind (2.3)', async () => {
    await negotiate();
    for (const id of [0, 'a', null, [1, { b: 2 }]]) {
      expect(await ask({ execute: 'query-name', id })).toEqual([{ return: {}, id }]);
    }
  });

  it('stops and continues, with events', async () => {
    await negotiate();
    expect(await ask({ execute: 'stop' })).toMatchObject([{ event: 'STOP' }, { return: {} }]);
    expect(await ask({ execute: 'query-status' })).toEqual([
      { return: { running: false, singlestep: false, status: 'paused' } },
    ]);
    const [resumed] = await ask({ execute: 'cont' });
    expect(resumed).toMatchObject({ event: 'RESUME', timestamp: { seconds: expect.any(Number) } });
  });

  it('resets, powers down and quits', async () => {
    await negotiate();
    expect(await ask({ execute: 'system_reset' })).toMatchObject([
      { event: 'RESET', data: { guest: false } },
      { return: {} },
    ]);
    expect(await ask({ execute: 'system_powerdown' })).toMatchObject([
      { event: 'POWERDOWN' },
      { return: {} },
    ]);
    expect(await ask({ execute: 'quit' })).toMatchObject([
      { return: {} },
      { event: 'SHUTDOWN', data: { guest: false, reason: 'host-qmp-quit' } },
    ]);
    expect(machine.calls).toEqual(['reset', 'powerdown', 'quit']);
  });

  it('sends no event before negotiation or after disposal', async () => {
    machine.powerdown();
    await negotiate();
    sent.splice(0);
    session.dispose();
    machine.powerdown();
    expect(sent).toEqual([]);
  });

  it('answers every malformed request with one error and goes on (2.4)', async () => {
    await negotiate();
    const wrong: [unknown, string][] = [
      [[], 'QMP input must be a JSON object'],
      [{}, "QMP input lacks member 'execute'"],
      [{ execute: 1 }, "QMP input member 'execute' must be a string"],
      [{ execute: 'stop', arguments: [] }, "QMP input member 'arguments' must be an object"],
      [{ execute: 'stop', bogus: 1 }, "QMP input member 'bogus' is unexpected"],
      [{ execute: 'stop', arguments: { x: 1 } }, "Parameter 'x' is unexpected"],
      [{ execute: 'frobnicate' }, 'The command frobnicate has not been found'],
      [{ execute: 'constructor' }, 'The command constructor has not been found'],
      [{ execute: '__proto__' }, 'The command __proto__ has not been found'],
      ['{"execute": }\n', 'JSON parse error'],
      ['nonsense\n', 'JSON parse error'],
      ['}\n', 'JSON parse error'],
      [`${'['.repeat(100_000)}\n`, 'nested too deeply'],
    ];
    for (const [request, description] of wrong) {
      const replies = await ask(request);
      expect(replies.length, String(request).slice(0, 40)).toBe(1);
      expect(replies[0]).toMatchObject({ error: { desc: expect.stringContaining(description) } });
    }
    expect(await ask({ execute: 'query-version' })).toMatchObject([{ return: { package: 'ringfence' } }]);
  });

  it('tells the counters of a machine while it runs', async () => {
    open();
    await negotiate();
    const [{ return: stats }] = await ask({ execute: 'x-ringfence-stats' });
    expect(stats).toMatchObject({ instructions: expect.any(Number), exits: expect.any(Object) });
  });

  it('tells how a guest is protected, and that one is not', async () => {
    open();
    await negotiate();
    const protection = { kind: 'pkvm', privatePages: 3, sharedPages: 2, bouncePool: { pages: 2 } };
    expect(await ask({ execute: 'x-ringfence-query-protection' })).toEqual([{ return: { kind: 'none' } }]);
    const stats = { ...machine.stats(), protection };
    Object.assign(machine, { stats: () => stats });
    expect(await ask({ execute: 'x-ringfence-query-protection' })).toEqual([{ return: protection }]);
  });

  it('lists the MMIO guard with the attributes by which the guest maps its pages', async () => {
    open();
    await negotiate();
    const query = async () => (await ask({ execute: 'x-ringfence-query-mmio-guard' }))[0].return;
    expect(await query()).toEqual({ enforced: false, enrolled: false, denials: 0, pages: [] });
    const attributes = [undefined, 0x04, 0x44, 0x39];
    const pages = attributes.map((attribute, n) => ({ address: 0x900_0000 + n * 0x1000, attribute }));
    machine.guard = { enforced: true, enrolled: true, denials: 7, pages };
    expect(await query()).toEqual({
      enforced: true,
      enrolled: true,
      denials: 7,
      pages: [
        { address: 0x900_0000 },
        { address: 0x900_1000, attribute: 4, type: 'Device-nGnRE' },
        { address: 0x900_2000, attribute: 0x44, type: 'Normal Non-cacheable' },
        { address: 0x900_3000, attribute: 0x39, type: '0x39' },
      ],
    });
  });

  it('explains the page of an address, and refuses what is no address', async () => {
    open();
    await negotiate();
    const explain = (args: object) => ask({ execute: 'x-ringfence-explain', arguments: args });
    const [{ return: page }] = await explain({ address: 0x9000000 });
    expect(page).toMatchObject({ gpa: 0x9000000, emulation: 'vmm', accesses: [] });
    expect(page).not.toHaveProperty('frame');
    expect(await explain({ address: -1 })).toMatchObject([
      { error: { desc: "Parameter 'address': -1 is no guest-physical address" } },
    ]);
    expect(await explain({ address: 'here' })).toMatchObject([
      { error: { desc: "Invalid parameter type for 'address', expected: number" } },
    ]);
  });

  it('checks the arguments of commands that others add, and reports their failures', async () => {
    open({
      'x-ringfence-echo': {
        arguments: { text: { type: 'string' }, times: { type: 'number', optional: true } },
        run: (_machine, { text, times }) => String(text).repeat(Number(times ?? 1)),
      },
      'x-ringfence-fail': {
        run: () => Promise.reject(new Error('out of luck')),
      },
    });
    await negotiate();
    const echo = (args: object) => ask({ execute: 'x-ringfence-echo', arguments: args });
    expect(await echo({ text: 'ab', times: 2 })).toEqual([{ return: 'abab' }]);
    expect(await echo({})).toMatchObject([{ error: { desc: "Parameter 'text' is missing" } }]);
    expect(await echo({ text: 3 })).toMatchObject([
      { error: { desc: "Invalid parameter type for 'text', expected: string" } },
    ]);
    expect(await ask({ execute: 'x-ringfence-fail', id: 1 })).toEqual([
      { error: { class: 'GenericError', desc: 'out of luck' }, id: 1 },
    ]);
    const [{ return: names }] = await ask({ execute: 'query-commands' });
    expect(names).toContainEqual({ name: 'x-ringfence-echo' });
  });
});

describe('JSON stream', () => {
  it('finds texts whatever the pieces and the space between them', () => {
    const stream = new JsonStream();
    const found: unknown[] = [];
    const text = '{"a":"}\\"{é"}{"b":[1,{}]}\n\n {"c":2}';
    for (const byte of bytes(text)) found.push(...stream.push(Uint8Array.of(byte)));
    expect(found).toEqual([{ value: { a: '}"{é' } }, { value: { b: [1, {}] } }, { value: { c: 2 } }]);
    expect(new JsonStream().push(bytes(text)).length).toBe(3);
  });

  it('refuses a text that is too long and goes on at the next line', () => {
    const stream = new JsonStream({ length: 10, depth: 4 });
    const found = [...stream.push(bytes('{"a":')), ...stream.push(bytes('"0123456789" } ...\n{"b":1}'))];
    expect(found).toEqual([{ error: 'the message is too long' }, { value: { b: 1 } }]);
  });

  it('keeps nothing of what it refuses', () => {
    const stream = new JsonStream({ length: 10, depth: 4 });
    expect(stream.push(bytes('xxxxxxxxxxxx')).length).toBe(1);
    expect(stream.push(bytes('y'.repeat(1000)))).toEqual([]);
    expect(stream.push(bytes('\n{}'))).toEqual([{ value: {} }]);
  });
});

describe('QMP server', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'qmp-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const talk = (to: { path: string } | { port: number; host: string }, request: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(to);
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
      socket.end(request);
    });
  const request = '{"execute":"qmp_capabilities"}{"execute":"query-status"}';

  it('serves clients on a Unix socket and on a TCP port, and keeps the machine waiting for them', async () => {
    const machine = new FakeMachine();
    const path = join(folder, 'qmp.sock');
    const servers = [
      await QmpServer.open(machine, { kind: 'unix', path }),
      await QmpServer.open(machine, { kind: 'tcp', port: 0 }),
    ];
    expect(machine.held).toBe(2);
    const answers = [
      await talk({ path }, request),
      await talk({ port: servers[1].port ?? 0, host: '127.0.0.1' }, request),
    ];
    for (const answer of answers) expect(answer).toContain('"running":true');
    for (const server of servers) server.dispose();
    expect(machine.held).toBe(0);
  });

  it('replaces a dead socket file and leaves a live one alone', async () => {
    const machine = new FakeMachine();
    const path = join(folder, 'qmp.sock');
    const live = createServer().listen(path);
    await new Promise((resolve) => live.once('listening', resolve));
    await expect(QmpServer.open(machine, { kind: 'unix', path })).rejects.toThrow(
      `qmp ${path}: cannot listen there: it is in use`,
    );
    await new Promise((resolve) => live.close(resolve));
    const server = await QmpServer.open(machine, { kind: 'unix', path });
    server.dispose();
    await expect(
      QmpServer.open(machine, { kind: 'unix', path: join(folder, 'no/such/place') }),
    ).rejects.toThrow('cannot listen there');
  });
});
