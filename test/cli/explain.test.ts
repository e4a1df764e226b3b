import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/cli.ts';
import { embeddedKernel } from '../../src/cli/guest.ts';
import { Machine, QmpServer } from '../../src/vmm/index.ts';
import { fakeIo } from './fake-io.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
let machine: Machine;
let monitor: QmpServer;
let talker: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-explain-'));
  machine = await Machine.create({ kernel: embeddedKernel(), memory: '32M', paused: true, history: true });
  monitor = await QmpServer.open(machine, { kind: 'unix', path: at('qmp') });
  talker = createServer((socket) => socket.end('SSH-2.0-nothing for you\r\n'));
  await new Promise<void>((resolve) => talker.listen(at('other'), resolve));
});
afterAll(() => {
  monitor.dispose();
  machine.dispose();
  talker.close();
  rmSync(folder, { recursive: true });
});

async function explain(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const fake = fakeIo();
  const status = await main(['explain', ...args], fake.io);
  await new Promise((resolve) => setImmediate(resolve));
  return { status, out: fake.out(), err: fake.err() };
}

describe('ringfence explain', () => {
  it('shows the walk, the record and a table of actors and operations', async () => {
    const { status, out, err } = await explain('0x40200123', '--qmp', at('qmp'));
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(
      /^gpa 0x40200000 -> slot 0 -> hva 0x[\da-f]+ -> anonymous memory of process 1 page \d+\n/,
    );
    expect(out).toMatch(/^frame \d+ of host; the host has OWNED, the guest NOPAGE; pins 0$/m);
    expect(out).toMatch(/^ +read +write +execute +map +dma +tag +migrate +debug$/m);
    expect(out).toMatch(/^vmm +yes +yes +- +yes/m);
    expect(out).toMatch(/^assigned-device +no: unmapped/m);
    expect(out).toMatch(/^host-memory: the page is the host's/m);
    expect(out).not.toContain('#');
  });

  it('--history lists what the frame went through', async () => {
    const { out } = await explain('0x40200000', '--qmp', `unix:${at('qmp')}`, '--history');
    expect(out).toMatch(/^#\d+ take$/m);
  });

  it('says who answers where there is no memory', async () => {
    expect((await explain('0x9000000', '--qmp', at('qmp'))).out).toMatch(/goes to the VMM, which emulates/);
    expect((await explain('0x8000000', '--qmp', at('qmp'))).out).toMatch(/the interrupt controller's/);
  });

  it('--json gives what the machine decided', async () => {
    const { out } = await explain('0x40200000', '--qmp', at('qmp'), '--json');
    const page = JSON.parse(out);
    expect(page).toMatchObject(
      JSON.parse(JSON.stringify({ ...machine.explain(0x40200000), history: undefined })),
    );
    expect(page.accesses).toHaveLength(9 * 8);
  });

  it.each([
    [['here', '--qmp', 'qmp'], 2, /here: not a guest-physical address/],
    [['-1', '--qmp', 'qmp'], 2, /unknown option|not a guest-physical/],
    [['0x10000000000000', '--qmp', 'qmp'], 2, /not a guest-physical address/],
    [['0x40000000'], 2, /give --qmp PATH/],
    [[], 2, /missing.*address/],
    [['0x40000000', '--qmp', 'absent'], 2, /there is no such file; is the guest running\?/],
    [['0x40000000', '--qmp', 'other'], 1, /does not speak QMP/],
  ])('%j ends with one line', async (args, expected, message) => {
    const placed = args.map((text) => (['qmp', 'absent', 'other'].includes(text) ? at(text) : text));
    const { status, out, err } = await explain(...placed);
    expect({ status, out }).toEqual({ status: expected, out: '' });
    expect(err).toMatch(/^ringfence: [^\n]+\n$/);
    expect(err).toMatch(message);
  });
});
