// Every rule that may stop an attack: the decision's, the ledger's invariants, and those of the interfaces at which an
// attack ends before any page is in question.

import { INVARIANTS, RULES } from '../../hypervisor/ledger/index.ts';

export interface NamedRule {
  readonly id: string;
  readonly says: string;
}

const INTERFACES: readonly NamedRule[] = [
  { id: 'abi', says: 'a call takes the arguments that it is defined for, by its conduit, and no others' },
  { id: 'quota', says: 'what a guest makes the host remember or do is bounded' },
  { id: 'registers', says: "registers of a protected guest's vCPU that has run are not the VMM's to set" },
  { id: 'ring', says: 'a device takes bounded chains of descriptors within the ring, and nothing else' },
];

export const STOPPING_RULES: readonly NamedRule[] = [...RULES, ...INVARIANTS, ...INTERFACES].map(
  ({ id, says }) => ({
    id,
    says,
  }),
);

export const saysOf = (id: string): string | undefined => STOPPING_RULES.find((rule) => rule.id === id)?.says;
