// Makes a failing program small: instructions go and registers become zero as long as it still fails.

import type { Case } from '../oracle/index.ts';
import { NOP } from './program-instructions.ts';
import { without } from './relocate.ts';

/** A case that fails still, from which nothing can go. `fails` may cost a lot: it is asked some hundred times. */
export function shrink(failing: Case, fails: (c: Case) => boolean): Case {
  let found = failing;
  const attempt = (c: Case): boolean => {
    if (c.code.length === 0 || !fails(c)) return false;
    found = c;
    return true;
  };
  for (let before = -1; before !== found.code.length; ) {
    before = found.code.length;
    for (let size = Math.ceil(before / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = found.code.length - size; at >= 0; at -= size) {
        attempt({ ...found, code: without(found.code, at, size) });
      }
    }
  }
  for (const at of found.code.keys()) {
    if (found.code[at] !== NOP) attempt({ ...found, code: found.code.with(at, NOP) });
  }
  for (const name of ['x', 'v'] as const) {
    for (const [k, n] of (found[name] ?? []).entries()) {
      if (n !== 0n) attempt({ ...found, [name]: found[name]?.with(k, 0n) });
    }
  }
  for (const name of ['nzcv', 'fpcr', 'fpsr'] as const) {
    if (found[name]) attempt({ ...found, [name]: 0 });
  }
  return found;
}
