import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { assembleProgram } from '../../../src/hardware/a64/index.ts';
import { FRAME_TAGGED } from '../../../src/hypervisor/ledger/index.ts';
import {
  ATTACKS,
  type Attack,
  formatMatrix,
  formatStory,
  MODES,
  perform,
  type Result,
  summary,
} from '../../../src/lab/attack/index.ts';
import { SECRET } from '../../../src/lab/attack/layout.ts';
import { CODE, programPage, ROUTINES, SOURCE } from '../../../src/lab/attack/program.ts';
import { Scene, toHex } from '../../../src/lab/attack/scene.ts';
import { attacksPage, runAll } from './page.ts';

const PROTECTED = MODES.filter(({ isProtected }) => isProtected);
const [NONE, PKVM] = MODES;
const attack = (name: string): Attack => {
  const found = ATTACKS.find((one) => one.name === name);
  if (!found) throw new Error(`no attack ${name}`);
  return found;
};

describe("the guest's program", () => {
  it('is what its text says', () => {
    const { bytes, labels } = assembleProgram(SOURCE, CODE);
    const page = programPage();
    expect(toHex(page.subarray(0, bytes.length))).toBe(toHex(bytes));
    expect(page.subarray(bytes.length).every((byte) => byte === 0)).toBe(true);
    for (const [name, offset] of Object.entries(ROUTINES))
      expect([name, labels.get(name)]).toEqual([name, BigInt(CODE + offset)]);
  });

  it('says that its page has changed, whoever did it', () => {
    const scene = new Scene(NONE);
    expect(scene.guest.beat(0)).toMatchObject({ kind: 'done', x: [0n, 2n, 0n, 0n] });
    // The count of its signs is in the page too: an old copy is not the same page.
    scene.space.port.write(scene.at(SECRET) + 32, Uint8Array.of(1));
    const answer = scene.guest.beat(0);
    expect(answer.kind === 'done' && answer.x[0] !== 0n).toBe(true);
    scene.dispose();
  });
});

describe('the catalogue', { timeout: 120_000 }, () => {
  let results: Result[] = [];
  beforeAll(() => {
    results = runAll();
  }, 120_000);

  it('has at least thirty attacks by everybody, each with a name of its own', () => {
    expect(ATTACKS.length).toBeGreaterThanOrEqual(30);
    expect(MODES.map(({ name }) => name)).toEqual(['none', 'pkvm', 'realm']);
    expect(new Set(ATTACKS.map(({ name }) => name)).size).toBe(ATTACKS.length);
    expect(new Set(ATTACKS.map(({ who }) => who)).size).toBeGreaterThanOrEqual(6);
  });

  it.each(MODES)('in mode $name comes out as it has to', ({ name }) => {
    const wrong = results.filter((result) => result.mode === name && !result.asExpected);
    expect(wrong.map((result) => [result.attack, result.verdict, result.fate, result.violations])).toEqual(
      [],
    );
  });

  it('leaks without protection wherever it says so, and nowhere with it', () => {
    const leaky = ATTACKS.filter(({ unprotected }) => unprotected === 'leaks').length;
    const leaks = MODES.map(({ name, isProtected }) => `${name}=${isProtected ? 0 : leaky}`);
    expect(summary(results)).toBe(`attack: ${ATTACKS.length} attacks, leaks ${leaks.join(' ')}`);
    expect(formatMatrix(results).split('\n')).toHaveLength(ATTACKS.length + 2);
  });

  it('is what docs/ATTACKS.md says', () => {
    const page = readFileSync(new URL('../../../docs/ATTACKS.md', import.meta.url), 'utf8');
    expect(page).toBe(attacksPage(results));
  });
});

describe('an attack that gets through', () => {
  it('shows the bytes of the secret', () => {
    const result = perform(attack('vmm-read'), NONE);
    const { secret } = new Scene(NONE);
    expect(result.verdict).toEqual({
      kind: 'leaks',
      how: `saw ${toHex(secret.subarray(0, 8))} of the secret`,
    });
    expect(formatStory(attack('vmm-read'), [result])).toContain(toHex(secret));
  });

  // Each is a ledger without one piece: somebody must get in, or the catalogue would not notice.
  it.each([
    ['guest_unshare_host!views', 'vmm-after-unshare'],
    ['guest_unshare_host!views', 'dma-after-unshare'],
    ['host_donate_guest!views', 'vmm-early-mapping'],
    ['host_donate_guest!views', 'vmm-inject-code'],
    ['force_reclaim~scrub', 'kernel-take'],
    ['force_reclaim~scrub', 'kernel-take-twice'],
    ['force_reclaim!guest', 'kernel-take-running'],
    ['reclaim~scrub', 'vmm-after-teardown'],
  ])('without %s, %s leaks from a protected guest', (mutant, name) => {
    expect(perform(attack(name), PKVM).asExpected).toBe(true);
    const result = perform(attack(name), PKVM, { mutants: new Set([mutant]) });
    expect(result.verdict.kind).toBe('leaks');
    expect(result.asExpected).toBe(false);
  });
});

describe('the judge', () => {
  const idle: Attack = { name: 'idle', who: 'VMM', what: '', unprotected: 'leaks', run: () => ({}) };

  it.each(MODES)('in mode $name takes nothing for an attack that does nothing', (mode) => {
    expect(perform(idle, mode)).toMatchObject({
      verdict: { kind: 'unexplained' },
      fate: 'alive',
      asExpected: false,
    });
  });

  it.each(PROTECTED)('in mode $name believes bytes and the guest, not the attack', (mode) => {
    const boastful: Attack = {
      ...idle,
      run: (scene) => ({ seen: scene.secret, rule: 'sealed' }),
    };
    expect(perform(boastful, mode).verdict.kind).toBe('leaks');
    const harmful: Attack = {
      ...idle,
      run(scene) {
        // As if a rule had a gap: the frame itself is written.
        scene.host.memory.data(scene.frameAt(SECRET)).fill(1);
        return { rule: 'sealed' };
      },
    };
    expect(perform(harmful, mode)).toMatchObject({
      verdict: { kind: 'leaks', how: "changed the guest's page unnoticed" },
      asExpected: false,
    });
  });

  it('does not let a guest die, nor an invariant', () => {
    const deadly: Attack = {
      ...idle,
      run(scene) {
        for (const vcpu of [0, 1]) scene.guest.call(vcpu, 'load', 0x20_0000_0000n);
        scene.vm.vcpus[0].stop();
        return { rule: 'sealed' };
      },
    };
    expect(perform(deadly, PKVM)).toMatchObject({ fate: undefined, asExpected: false });
    const untidy: Attack = {
      ...idle,
      run(scene) {
        scene.host.ledger.frames.flags[scene.frameAt(SECRET)] &= ~FRAME_TAGGED;
        return { rule: 'sealed' };
      },
    };
    const result = perform(untidy, PKVM);
    expect(result.violations).toHaveLength(1);
    expect(result.violations[0]).toMatch(/^tagged: /);
    expect(result.asExpected).toBe(false);
  });

  it('knows every rule that it names', () => {
    const inventive: Attack = { ...idle, run: () => ({ rule: 'goodwill' }) };
    expect(() => perform(inventive, PKVM)).toThrow(/no rule 'goodwill'/);
  });
});
