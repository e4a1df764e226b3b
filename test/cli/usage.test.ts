import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/cli.ts';
import { fakeIo } from './fake-io.ts';

let folder = '';
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-usage-'));
  writeFileSync(file('text'), 'not a kernel\n'.repeat(100));
  const gzip = gzipSync(Buffer.alloc(1 << 20, 'x'));
  writeFileSync(file('cut.gz'), gzip.subarray(0, gzip.length / 2));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Status 2, nothing on stdout, and exactly one line on stderr, which is given back. */
async function refusal(args: readonly string[]): Promise<string> {
  const fake = fakeIo();
  const status = await main(args, fake.io);
  await new Promise((resolve) => setImmediate(resolve));
  expect({ status, out: fake.out() }).toEqual({ status: 2, out: '' });
  expect(fake.err()).toMatch(/^ringfence: [^\n]+\n$/);
  return fake.err().trim();
}

describe('a command line that cannot be used ends with status 2 and one line', () => {
  it.each([
    ['frobnicate', /unknown command 'frobnicate'/],
    ['ren', /did you mean run\?/],
    ['run --drives x', /unknown option '--drives'; did you mean --drive\?/],
    ['run --kernel', /--kernel <file>.*argument missing/],
    ['run one two', /too many arguments/],
    ['run --smp 0', /--smp 0: not a whole number from 1 to 8/],
    ['run --smp 99', /--smp 99: not/],
    ['run --smp two', /--smp two: not/],
    ['run --memory 1', /--memory 1: too small; give at least 16M/],
    ['run --memory much', /--memory much: not a size/],
    ['run --gic 4', /--gic 4: not one of 2, 3/],
    ['run --clock sun', /--clock sun: not one of virtual, host/],
    ['run --timeout soon', /--timeout soon: not a number of seconds/],
    ['run --timeout 0', /--timeout 0: not/],
    ['run --net tap0', /write --net stream:SOCKET/],
    ['run --qmp here', /write a port number or unix:PATH/],
    ['run --qmp 99999', /--qmp 99999: not a whole number from 1 to 65535/],
    ['run --protect everything', /--protect everything: not one of none, pkvm, realm, deferred/],
    ['run --protect deferred', /--protect deferred: not in this version yet/],
    ['run --bounce-pool 16M', /--bounce-pool: only a guest with protect pkvm or realm/],
    ['run --protect pkvm --bounce-pool 3M', /--bounce-pool 3M: not a multiple of 2M up to half/],
    ['run --protect pkvm --bounce-pool much', /--bounce-pool much: not a multiple of 2M/],
    ['run --incoming tcp:here:1', /--incoming: not in this version yet/],
    ['run --cpu mte=maybe', /write mte=on or mte=off/],
    ['run --drive ,ro', /names no file/],
    ['run slackware', /no image is called 'slackware'/],
    ['run debian --kernel x', /not both/],
    ['run --initrd x', /--initrd needs a kernel/],
    ['pull', /pull needs a name/],
    ['pull slackware', /no image is called/],
    ['-kernel', /-kernel needs a value/],
  ])('%s', async (line, message) => {
    expect(await refusal(line.split(' '))).toMatch(message);
  });
});

describe('a file that cannot be used ends with status 2 and one line that names it', () => {
  it.each([
    [
      'a kernel that is not there',
      () => ['run', '--kernel', file('none')],
      /--kernel .*none: there is no such file/,
    ],
    ['a folder as a kernel', () => ['run', '--kernel', folder], /it is a directory/],
    ['a kernel that is not one', () => ['run', '--kernel', file('text')], /no arm64 Image header/],
    ['a truncated gzip', () => ['run', '--kernel', file('cut.gz')], /gzip data is damaged/],
    [
      'more memory than there can be',
      () => ['run', '--memory', '900G', 'embedded'],
      /--memory 900G: .*3584M/,
    ],
    ['a drive that is not there', () => ['run', 'embedded', '--drive', file('none')], /--drive .*none: /],
    ['an initrd that is not there', () => ['run', 'embedded', '--initrd', file('none')], /--initrd .*none: /],
    [
      'a network socket that is not there',
      () => ['run', 'embedded', '--net', `stream:${file('none')}`],
      /start the other end first/,
    ],
    [
      'a serial file in no folder',
      () => ['run', 'embedded', '--serial', file('no/such')],
      /--serial .*such: /,
    ],
    ['a stats file in no folder', () => ['run', 'embedded', '--stats', file('no/such')], /--stats .*such: /],
  ] as const)('%s', async (_, args, message) => {
    expect(await refusal(args())).toMatch(message);
  });

  it('an initrd that does not fit', async () => {
    writeFileSync(file('large'), Buffer.alloc(40 << 20));
    const line = await refusal(['run', 'embedded', '--memory', '32M', '--initrd', file('large')]);
    expect(line).toMatch(/--initrd .*large: .*(fit|memory)/);
  });

  it('a port that is in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    try {
      expect(await refusal(['run', 'embedded', '--qmp', String(port)])).toMatch(/--qmp port \d+: .*in use/);
    } finally {
      server.close();
    }
  });
});

describe('help', () => {
  it('lists the commands on stdout', async () => {
    const fake = fakeIo();
    expect(await main(['--help'], fake.io)).toBe(0);
    expect(fake.out()).toMatch(/run .*\n[\s\S]*pull /);
  });

  it('of a command lists its options', async () => {
    const fake = fakeIo();
    expect(await main(['run', '--help'], fake.io)).toBe(0);
    expect(fake.out()).toContain('--timeout <seconds>');
  });
});
