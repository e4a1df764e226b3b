import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/cli.ts';
import { fakeIo } from './fake-io.ts';

async function run(line: string): Promise<{ status: number; out: string; err: string }> {
  const fake = fakeIo();
  const status = await main(line.split(' '), fake.io);
  await new Promise((resolve) => setImmediate(resolve));
  return { status, out: fake.out(), err: fake.err() };
}

describe('ringfence check', () => {
  it('--list shows every piece that can be left out', async () => {
    const { status, out } = await run('check --list');
    expect(status).toBe(0);
    expect(out).toMatch(
      /^host_donate_guest\/held-once +precondition +host_donate_guest needs that exactly one/m,
    );
    expect(out).toMatch(/^rule:sealed +rule/m);
  });

  it.each([
    ['check --mutant nonsense', /no such piece; ringfence check --list/],
    ['check --scene nonsense', /not one of protected, /],
    ['check now', /too many arguments/],
  ])('%s ends with 2 and one line', async (line, message) => {
    const { status, out, err } = await run(line);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^ringfence: [^\n]+\n$/);
    expect(err).toMatch(message);
  });

  it('--mutant shows one being caught, step by step, and ends with the line for scripts', async () => {
    const { status, out } = await run('check --scene ordinary --mutant release~scrub');
    expect(out).toMatch(
      /^release~scrub: the ledger without this scrub: .*\ncaught\nin the scene 'ordinary':\n {2}1\. /,
    );
    expect(out).toMatch(/=> scrubbed: /);
    expect(out).toMatch(
      /\ncheck: \d+ states, \d+ transitions, 12 invariants, 0 violations, mutants 1 of 1 killed\n$/,
    );
    expect(status).toBe(0);
  }, 120_000);
});
