// Runs an attack on a fresh guest and judges it: by the bytes that the attacker saw, by the guest's own word about its
// memory, and by the audit. What the attack says of itself counts only where it names the rule that stopped it.

import { audit } from '../../hypervisor/ledger/index.ts';
import type { Attack, Attempt, Fate } from './attack.ts';
import { describe } from './guest.ts';
import type { Mode } from './modes.ts';
import { saysOf } from './rules.ts';
import { Scene, type SceneOptions, toHex } from './scene.ts';

export type Verdict =
  | { readonly kind: 'leaks'; readonly how: string }
  | { readonly kind: 'stopped'; readonly rule: string }
  /** It gained nothing, and nothing stopped it: the attack is none. */
  | { readonly kind: 'unexplained' };

export interface Result {
  readonly attack: string;
  readonly mode: string;
  readonly verdict: Verdict;
  /** How the guest fares after it; undefined where it is dead and should not be. */
  readonly fate: Fate | undefined;
  /** Violated invariants. */
  readonly violations: readonly string[];
  readonly story: readonly string[];
  /** Verdict, guest and audit are as they have to be. */
  readonly asExpected: boolean;
}

export function perform(attack: Attack, mode: Mode, options: SceneOptions = {}): Result {
  const scene = new Scene(mode, { ...options, mte: !attack.withoutMte });
  try {
    const attempt = attack.run(scene);
    const after = attack.fate === 'torn down' ? { fate: attack.fate, altered: false } : fateOf(scene);
    const verdict = judge(attempt, after.altered, scene);
    const violations = audit(scene.host.ledger).map(({ invariant, found }) => `${invariant}: ${found}`);
    for (const violation of violations) scene.say(`the audit finds ${violation}`);
    const { fate } = after;
    return {
      attack: attack.name,
      mode: mode.name,
      verdict,
      fate,
      violations,
      story: scene.story,
      asExpected: isExpected(attack, mode, verdict, fate) && violations.length === 0,
    };
  } finally {
    scene.dispose();
  }
}

function judge(attempt: Attempt, altered: boolean, scene: Scene): Verdict {
  const { seen, gained, rule } = attempt;
  const word = seen && secretIn(seen, scene.secret);
  if (word !== undefined) return { kind: 'leaks', how: `saw ${word} of the secret` };
  if (gained !== undefined) return { kind: 'leaks', how: gained };
  if (altered) return { kind: 'leaks', how: "changed the guest's page unnoticed" };
  if (rule === undefined) return { kind: 'unexplained' };
  if (saysOf(rule) === undefined) throw new Error(`there is no rule '${rule}'`);
  return { kind: 'stopped', rule };
}

/** The first 8 bytes of the secret that occur in what was seen. */
function secretIn(seen: Uint8Array, secret: Uint8Array): string | undefined {
  const text = toHex(seen);
  for (let n = 0; n + 8 <= secret.length; n += 8) {
    const word = toHex(secret.subarray(n, n + 8));
    if (text.includes(word)) return word;
  }
  return undefined;
}

/** Asks both vCPUs for a sign of life. A page that is not as its guest left it is an alteration, whoever did it. */
function fateOf(scene: Scene): { readonly fate: Fate | undefined; readonly altered: boolean } {
  const fates = [0, 1].map((vcpu) => {
    const answer = scene.guest.beat(vcpu);
    scene.say(
      answer.kind === 'done' && answer.x[0] === 0n
        ? `vCPU ${vcpu} lives, and its page is as it left it`
        : `vCPU ${vcpu}'s sign of life ${describe(answer)}${answer.kind === 'done' ? ': its page is another' : ''}`,
    );
    return answer;
  });
  const altered = fates.some((answer) => answer.kind === 'done' && answer.x[0] !== 0n);
  if (fates.every(({ kind }) => kind === 'done')) return { fate: 'alive', altered };
  const failed = fates.filter(({ kind }) => kind === 'failed');
  const lives = fates.some(({ kind }) => kind === 'done');
  return { fate: failed.length === 1 && lives ? 'loses a page' : undefined, altered };
}

function isExpected(
  { unprotected, fate: allowed }: Attack,
  mode: Mode,
  verdict: Verdict,
  fate: Fate | undefined,
): boolean {
  if (!mode.isProtected && unprotected === 'leaks') return verdict.kind === 'leaks';
  const fares = fate === 'alive' || (fate !== undefined && fate === allowed);
  if (verdict.kind !== 'stopped' || !fares) return false;
  return mode.isProtected || unprotected === 'leaks' || unprotected.stoppedBy === verdict.rule;
}
