// Who may do what with a page of a running machine, and why. The answer is the machine's own decide(); this asks
// for it, here or over QMP, and puts it into words.

import { type Explanation, formatExplanation } from '../../hypervisor/index.ts';
import type { Machine, PageExplanation } from '../../vmm/index.ts';
import { askQmp, QmpClientError, type QmpEndpoint } from './qmp-client.ts';

/** The page of a guest-physical address of a machine in this process. Throws RangeError for what is no address. */
export const explainPage = (machine: Pick<Machine, 'explain'>, address: number): PageExplanation =>
  machine.explain(address);

/** The same of a machine behind a QMP socket. Throws QmpClientError. */
export async function explainOverQmp(endpoint: QmpEndpoint, address: number): Promise<PageExplanation> {
  const answer = await askQmp(endpoint, 'x-ringfence-explain', { address });
  if (!isExplanation(answer)) throw new QmpClientError('x-ringfence-explain: the answer is no explanation');
  return answer;
}

function isExplanation(value: unknown): value is PageExplanation {
  if (typeof value !== 'object' || value === null) return false;
  const { path, accesses, history } = value as Partial<Explanation>;
  return Array.isArray(path) && Array.isArray(accesses) && Array.isArray(history);
}

const NO_MEMORY = {
  hypervisor: "no memory: a vCPU's access is the interrupt controller's, which the hypervisor emulates",
  vmm: "no memory: a vCPU's access goes to the VMM, which emulates a device there or answers nothing",
  refused:
    "no memory, and not guarded: a vCPU's access never reaches the VMM; the guest takes an external abort",
  'ripas-empty':
    "not the realm's memory: a vCPU's access never reaches the VMM; the guest takes an external abort",
  'ripas-destroyed': 'the host took the page away: the vCPU stops there, until the realm says that it knows',
} as const;

export interface FormatOptions {
  /** The transitions that the frame went through. */
  readonly history?: boolean;
}

/** A table for people. */
export function formatPage(page: PageExplanation, { history = false }: FormatOptions = {}): string {
  const out = [formatExplanation({ ...page, history: history ? page.history : [] })];
  if (page.emulation !== undefined) out.push(NO_MEMORY[page.emulation]);
  if (history && page.history.length === 0) out.push('no transitions are remembered for it');
  return out.join('\n');
}
