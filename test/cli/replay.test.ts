import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/cli.ts';
import { fakeIo } from './fake-io.ts';

const SAME =
  '{"op":"vm","seq":0,"code":0,"vcpu":1}\n{"op":"vmm","arena":"1000","w":"5","v":"5"}\n{"op":"end"}\n';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-replay-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(content: string | Uint8Array): Promise<{ status: number; out: string; err: string }> {
  const file = join(folder, 'recording');
  writeFileSync(file, content);
  const fake = fakeIo();
  const status = await main(['replay', file], fake.io);
  await new Promise((resolve) => setImmediate(resolve));
  return { status, out: fake.out(), err: fake.err() };
}

describe('ringfence replay', () => {
  it('ends with 0 and a count where every answer is the same, plain or gzipped', async () => {
    const outcome = { status: 0, out: 'replay: 2 calls, 0 differ\n', err: '' };
    expect(await run(SAME)).toEqual(outcome);
    expect(await run(gzipSync(SAME))).toEqual(outcome);
  });

  it('ends with 1 and shows the first difference', async () => {
    const { status, out } = await run(SAME.replace('"v":"5"', '"v":"6"'));
    expect(status).toBe(1);
    expect(out).toMatch(/^line 2 \(sequence 0\): vmm came to .*\n[\s\S]*replay: 2 calls, 1 differ\n$/);
  });

  it('ends with 2 and one line for what is no recording', async () => {
    const { status, out, err } = await run('hello\n');
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^ringfence: .*recording: .*line 1[^\n]*\n$/);
  });

  it.each([
    ['nothing', ''],
    ['only the end', '{"op":"end"}\n'],
    ['half a gzip file', gzipSync(SAME).subarray(0, 40)],
    ['an unknown call', '{"op":"vm","seq":0,"code":0,"vcpu":1}\n{"op":"fly"}\n'],
  ])('ends with 2 and one line for %s', async (_, content) => {
    const { status, out, err } = await run(content);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^ringfence: .*recording[^\n]*\n$/);
  });
});
