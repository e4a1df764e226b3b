// What the JIT compiles at once: a control-flow graph of basic blocks, of the function that the entry is in and of
// the functions that it calls, each of these once for every call. Places in the code are virtual: displacements in
// bytes from the start of the page that holds the entry.

export const CODE_PAGE = 4096;

/** The page that a place is in: 0 is the entry's, 1 the one that follows it in virtual memory. */
export const pageOf = (at: number): number => Math.floor(at / CODE_PAGE);

/** A way from a block's end: to a place of the program, and where the region has code for it, to that block. */
export interface Way {
  readonly at: number;
  /** Index in Region.blocks. */
  readonly block: number | undefined;
}

export interface BasicBlock {
  /** Index in Region.blocks. */
  readonly index: number;
  readonly at: number;
  /** The instructions, in a row from `at` on. */
  readonly words: readonly number[];
  /** How the last instruction passes control on; 'next' falls through. */
  readonly flow: 'next' | 'jump' | 'call' | 'branch' | 'indirect' | 'indirectCall' | 'return';
  /** Where control goes on without a branch, or after a call that is not followed. */
  readonly next: Way;
  /** Where the last instruction branches to; a return's is its caller, where that is in the region. */
  readonly target: Way | undefined;
}

/** How far a region goes. */
export interface Reach {
  /** Longer regions spend more in the compiler than their cold tails give back. */
  readonly instructions: number;
  /** Calls within calls that are followed. */
  readonly depth: number;
  /** Instructions of a function that is worth a copy for each of its calls. */
  readonly callee: number;
  /** Whether other pages are followed. */
  readonly pages: boolean;
  /** Whether it waits for calls that it does not follow to return, so that what follows them is part of it. */
  readonly awaits: boolean;
}

export interface Region {
  /** Block 0 is the entry's. */
  readonly blocks: readonly BasicBlock[];
  /** Turns of hot loops, by the last block of each: its blocks in order. No block is in two. */
  readonly turns: ReadonlyMap<number, readonly BasicBlock[]>;
  /** Host offsets of the pages that hold the code, by pageOf() of its places. */
  readonly pages: ReadonlyMap<number, number>;
  readonly instructions: number;
  readonly reach: Reach;
}

/** Where control may go from a block. */
function ways(block: BasicBlock): (Way | undefined)[] {
  const { flow, next, target } = block;
  if (flow === 'next' || waits(block)) return [next];
  return flow === 'branch' ? [target, next] : [target];
}

/** The same, where it is to another block of the region. */
export const successors = (block: BasicBlock): number[] => ways(block).flatMap((way) => way?.block ?? []);

/** Where control goes from the k-th block of a turn but to the next one. */
export function exitOf(turn: readonly BasicBlock[], k: number): Way | undefined {
  const following = turn[(k + 1) % turn.length] as BasicBlock;
  const { flow, next, target } = turn[k] as BasicBlock;
  if (flow !== 'branch') return undefined;
  return next.block === following.index ? target : next;
}

/** Whether the block ends with a call that leaves the region, which waits for its return. */
export const waits = ({ flow, next, target }: BasicBlock): boolean =>
  (flow === 'indirectCall' || (flow === 'call' && target?.block === undefined)) && next.block !== undefined;
