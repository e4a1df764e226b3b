// What an attack is: a named try to read or change what a guest keeps to itself, or to harm the host. An attack only
// tries; whether anything was gained is judged outside (judge.ts), by bytes and by the guest itself.

import type { Scene } from './scene.ts';

export type Attacker = 'VMM' | 'host kernel' | 'device' | 'second VM' | 'debugger' | 'migration' | 'guest';

export interface Attempt {
  /** Bytes that the attacker came to see: a leak where the guest's secret is among them. */
  readonly seen?: Uint8Array;
  /** The guest took something of the attacker's for its own, or the attacker learned a secret in another way. */
  readonly gained?: string;
  /** The rule that stopped it. */
  readonly rule?: string;
}

/** How a guest may fare in an attack that does not reach its secret. */
export type Fate =
  /** It goes on, and its memory is as it left it. */
  | 'alive'
  /** A page is gone for good and it cannot run into it: KVM_RUN fails, as pKVM has it. */
  | 'loses a page'
  /** The attack needs it dead. */
  | 'torn down';

export interface Attack {
  readonly name: string;
  readonly who: Attacker;
  /** One sentence. */
  readonly what: string;
  /** In mode none: 'leaks', or the rule that stops it there, too. */
  readonly unprotected: 'leaks' | { readonly stoppedBy: string };
  /** Of the guest where it is protected; default 'alive'. */
  readonly fate?: Fate;
  /** The VM has no MTE. */
  readonly withoutMte?: boolean;
  run(scene: Scene): Attempt;
}
