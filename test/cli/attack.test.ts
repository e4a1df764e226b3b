import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/cli.ts';
import { ATTACKS, MODES } from '../../src/lab/attack/index.ts';
import { fakeIo } from './fake-io.ts';

async function run(line: string): Promise<{ status: number; out: string; err: string }> {
  const fake = fakeIo();
  const status = await main(line.split(' '), fake.io);
  await new Promise((resolve) => setImmediate(resolve));
  return { status, out: fake.out(), err: fake.err() };
}

describe('ringfence attack', { timeout: 120_000 }, () => {
  it('prints a matrix, and last the line for scripts', async () => {
    const { status, out, err } = await run('attack');
    const lines = out.trimEnd().split('\n');
    expect(lines[0].trim().split(/ +/)).toEqual(MODES.map(({ name }) => name));
    expect(lines).toHaveLength(ATTACKS.length + 2);
    expect(out).toMatch(/^vmm-read +leaks +stopped by sealed/m);
    const leaks = MODES.map(({ name, isProtected }) => `${name}=${isProtected ? '0' : '[1-9]\\d*'}`).join(
      ' ',
    );
    expect(lines.at(-1)).toMatch(new RegExp(`^attack: ${ATTACKS.length} attacks, leaks ${leaks}$`));
    expect(err).toMatch(/^ringfence: mode none\nringfence: mode pkvm\nringfence: mode realm\n$/);
    expect(status).toBe(0);
  });

  it('--attack tells one story: the way, the bytes, the rule', async () => {
    const { status, out } = await run('attack --attack vmm-read');
    expect(out).toMatch(/^vmm-read \(VMM\): reads the private page through its own mapping\n/);
    expect(out).toMatch(
      /mode none:\n {2}1\. gpa 0x80000000 -> slot 1 -> hva .*\n {2}2\. the VMM reads 0x\w+: [0-9a-f]{64}\n/,
    );
    expect(out).toMatch(/mode pkvm:\n(.*\n)*.*=> stopped by sealed: no VMM/);
    expect(out).toMatch(/\nattack: 1 attacks, leaks none=1 pkvm=0 realm=0\n$/);
    expect(status).toBe(0);
  });

  it('ends with 1 where something leaks that must not', async () => {
    const { status, out } = await run('attack --mode pkvm --attack kernel-take --mutant force_reclaim~scrub');
    expect(out).toMatch(/=> leaks: the attacker saw [0-9a-f]{16} of the secret\n {2}\(!\) this is not/);
    expect(out).toMatch(/\nattack: 1 attacks, leaks pkvm=1\n$/);
    expect(status).toBe(1);
  });

  it('--list shows the catalogue, --json the results', async () => {
    const list = await run('attack --list');
    expect(list.out.trimEnd().split('\n')).toHaveLength(ATTACKS.length);
    const { out } = await run('attack --mode pkvm --attack dma-read --json');
    expect(JSON.parse(out)).toMatchObject([
      { attack: 'dma-read', mode: 'pkvm', verdict: { kind: 'stopped', rule: 'sealed' }, asExpected: true },
    ]);
  });

  it.each([
    ['attack --attack nonsense', /no such attack; ringfence attack --list/],
    ['attack --mode nonsense', /no such mode; not one of none, pkvm, realm/],
    ['attack --mutant rule:sealed', /no such mutant; no piece of the ledger/],
    ['attack me', /too many arguments/],
  ])('%s ends with 2 and one line', async (line, message) => {
    const { status, out, err } = await run(line);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^ringfence: [^\n]+\n$/);
    expect(err).toMatch(message);
  });
});
