// Structured control flow from a control-flow graph, by its dominator tree (Ramsey, "Beyond Relooper", 2022):
// loop headers become loops, nodes with several forward predecessors follow a block that their predecessors leave,
// everything else nests. An edge that would make the graph irreducible is left to the caller as a way out.

import type { Code, Label } from '../../wasm/index.ts';
import { type BasicBlock, exitOf, type Region, successors } from './region.ts';

interface Node {
  readonly block: BasicBlock;
  readonly index: number;
  readonly forwardPredecessors: number;
  readonly isLoop: boolean;
  /** Nodes that it immediately dominates, in reverse postorder. */
  readonly children: number[];
}

/** What the emitter of blocks does when control passes between them. */
export interface BlockEmitter {
  /** Emits a block and its ending; `go` continues at another block of the region, by its index. */
  block(block: BasicBlock, go: (to: number) => void): void;
  /** An edge that has no structured form. */
  leaveTo(to: BasicBlock): void;
}

export function emitStructured(code: Code, region: Region, emitter: BlockEmitter): void {
  const nodes = analyse(region);
  const labels = new Map<number, { loop?: Label; after?: Label }>();
  const mark = (at: number, label: { loop?: Label; after?: Label }): void => {
    labels.set(at, { ...labels.get(at), ...label });
  };

  const tree = (at: number): void => {
    const node = nodes.get(at) as Node;
    const merges = node.children.filter((child) => (nodes.get(child) as Node).forwardPredecessors > 1);
    if (!node.isLoop) {
      within(node, merges.reverse());
      return;
    }
    code.loop((label) => {
      mark(at, { loop: label });
      within(node, merges.reverse());
    });
  };

  /** The node's own code inside one block for each merge node that follows, the last in order outermost. */
  const within = (node: Node, merges: readonly number[]): void => {
    const [outer, ...rest] = merges;
    if (outer === undefined) {
      emitter.block(node.block, (to) => go(node, to));
      return;
    }
    code.scope((label) => {
      mark(outer, { after: label });
      within(node, rest);
    });
    tree(outer);
  };

  const go = (from: Node, to: number): void => {
    const target = nodes.get(to) as Node;
    const label = labels.get(to);
    if (target.index <= from.index) {
      if (label?.loop && code.isInside(label.loop.body)) code.branch(label.loop);
      else emitter.leaveTo(target.block);
    } else if (target.forwardPredecessors > 1) {
      if (label?.after && code.isInside(label.after.body)) code.branch(label.after);
      else emitter.leaveTo(target.block);
    } else tree(to);
  };

  tree(0);
}

/** Reverse postorder, dominators (Cooper, Harvey and Kennedy, 2001), loops and merges. */
function analyse(region: Region): Map<number, Node> {
  const edges = region.blocks.map((block) => {
    // Further turns are run, and left, where one ends.
    const turn = region.turns.get(block.index) ?? [];
    return [...successors(block), ...turn.flatMap((_, k) => exitOf(turn, k)?.block ?? [])];
  });

  const order: number[] = [];
  const seen = new Set<number>();
  const visit = (at: number): void => {
    seen.add(at);
    for (const to of edges[at] as number[]) if (!seen.has(to)) visit(to);
    order.push(at);
  };
  visit(0);
  order.reverse();
  const index = new Map(order.map((at, k) => [at, k]));
  const position = (at: number): number => index.get(at) as number;

  const predecessors = new Map<number, number[]>(order.map((at) => [at, []]));
  for (const at of order) for (const to of edges[at] as number[]) predecessors.get(to)?.push(at);

  const dominator = new Map<number, number>([[0, 0]]);
  const meet = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (position(x) > position(y)) x = dominator.get(x) as number;
      while (position(y) > position(x)) y = dominator.get(y) as number;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const at of order.slice(1)) {
      const known = (predecessors.get(at) as number[]).filter((p) => dominator.has(p));
      const found = known.reduce((a, b) => meet(a, b));
      if (dominator.get(at) === found) continue;
      dominator.set(at, found);
      changed = true;
    }
  }

  const nodes = new Map<number, Node>();
  for (const at of order) {
    const forward = (predecessors.get(at) as number[]).filter((p) => position(p) < position(at));
    nodes.set(at, {
      block: region.blocks[at] as BasicBlock,
      index: position(at),
      forwardPredecessors: forward.length,
      isLoop: forward.length < (predecessors.get(at) as number[]).length,
      children: [],
    });
  }
  for (const at of order.slice(1)) nodes.get(dominator.get(at) as number)?.children.push(at);
  return nodes;
}
