// Accesses of one basic block by the same base register: structures and stack frames. Where the soft TLB served one, the
// next is served by the same page if it stays within it, which takes no second lookup. It knows values of the function
// being written, and how far they are apart; nothing of translation.

import type { Block, Code, Value, Variable } from '../../wasm/index.ts';

const PAGE = 4096;

/** An address as the value that a register had, and a distance from it. */
interface Relative {
  readonly base: Variable;
  /** When the register had that value. */
  readonly position: number;
  readonly offset: number;
}

/** An access that was served: where its first byte is, relative to the value of a register. */
interface Served extends Relative {
  readonly block: Block;
  readonly bytes: number;
  readonly write: boolean;
  /** i32: its host offset, and how far into its page it is. */
  readonly host: Value;
  readonly inPage: Value;
}

export interface Near {
  /** i32: the host offset, if the page is the same. */
  readonly host: Value;
  /** i32: nonzero where the access is not within the page. */
  readonly isOutside: Value;
}

/** The register that a value is a known distance from. */
function relative(value: Value): Relative | undefined {
  const { source } = value;
  if (source.kind === 'variable') return { base: source.variable, position: value.position, offset: 0 };
  if (source.kind !== 'op' || source.op.name !== 'i64.add') return undefined;
  const [register, distance] = value.args as [Value, Value];
  if (register.source.kind !== 'variable' || distance.constant === undefined) return undefined;
  const offset = Number(BigInt.asIntN(64, distance.constant));
  return { base: register.source.variable, position: register.position, offset };
}

export class NearAccesses {
  private readonly code: Code;
  /** The last access that was served, by its base. */
  private readonly served = new Map<Variable, Served>();

  constructor(code: Code) {
    this.code = code;
  }

  /** Another basic block begins. */
  forget(): void {
    this.served.clear();
  }

  /** An access of so many bytes at an address was served at a host offset. */
  remember(address: Value, bytes: number, write: boolean, host: Value): void {
    const known = relative(address);
    if (!known) return;
    const { base, position, offset } = known;
    const inPage = address.wrap().and(PAGE - 1);
    this.served.set(base, { base, position, offset, block: this.code.block, bytes, write, host, inPage });
  }

  /** Before a register is set: what is known by the value's own register will be known by this one. */
  assigning(register: Variable, value: Value): Served | undefined {
    const known = relative(value);
    const served = known && this.current(known);
    this.served.delete(register);
    return served && { ...served, base: register, offset: served.offset - known.offset };
  }
  /** After it was set: takes what assigning() gave. */
  assigned(served: Served | undefined): void {
    if (served) this.served.set(served.base, { ...served, position: this.code.nextPosition() });
  }

  /** How an access can be served by the page of one that was; undefined where none helps. */
  find(address: Value, bytes: number, write: boolean): Near | undefined {
    const wanted = relative(address);
    const served = wanted && this.current(wanted);
    if (!served || (write && !served.write)) return undefined;
    const distance = wanted.offset - served.offset;
    if (Math.abs(distance) >= PAGE) return undefined;
    // One end is within the page because the other access's is, so that only the other end is looked at.
    if (distance < 0 && distance + bytes > served.bytes) return undefined;
    const farEnd = distance < 0 ? distance : distance + bytes - 1;
    return {
      host: served.host.add(distance),
      isOutside: served.inPage.add(farEnd).geU(PAGE),
    };
  }

  /** The access by a register that still has the value it had then. */
  private current({ base, position }: Relative): Served | undefined {
    const served = this.served.get(base);
    if (!served || !this.code.isInside(served.block)) return undefined;
    const from = Math.min(served.position, position);
    const to = Math.max(served.position, position);
    return base.epoch.changedBetween(from, to) ? undefined : served;
  }
}
