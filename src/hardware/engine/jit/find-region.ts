// Finds a region: follows direct branches from the entry, and into the functions that it calls where they are small
// and known to be called. Ways that lead elsewhere leave the region.

import { type Decoder, type Fields, fieldsOf, type Row } from '../../a64/index.ts';
import { findTurns } from './find-turns.ts';
import { type BasicBlock, CODE_PAGE, pageOf, type Reach, type Region, type Way } from './region.ts';

/** What is hot: the function around the entry, in its page. */
export const NEAR_REACH: Reach = { instructions: 200, depth: 0, callee: 0, pages: false, awaits: false };
/** What is much hotter still: also what it calls, wherever that is, and what follows calls of anything else. */
export const FAR_REACH: Reach = { instructions: 400, depth: 3, callee: 80, pages: true, awaits: true };

/** What is known of the program around an entry. */
export interface CodeView {
  readonly decoder: Decoder;
  /** Host offset of a page of code by pageOf(); undefined where nothing is known of it. */
  page(index: number): number | undefined;
  /** The instruction at a host offset. */
  word(host: number): number;
  /** Whether control comes to a host offset by a branch now and then. */
  isSeen(host: number): boolean;
  /** The same again and again. */
  isWarm(host: number): boolean;
  /** The same so often that a region was, or is to be, made for it. */
  isHot(host: number): boolean;
}

/** The displacement in bytes of a direct branch. */
function displacement(fields: Fields): number {
  for (const [name, bits] of [
    ['imm26', 26],
    ['imm19', 19],
    ['imm14', 14],
  ] as const) {
    const value = fields[name];
    if (value !== undefined) return (value << (32 - bits)) >> (30 - bits);
  }
  throw new Error('a direct branch without a displacement');
}

/** What matters of an instruction for where control goes. */
interface Found {
  readonly word: number;
  readonly flow: Row['flow'];
  /** Where a direct branch leads. */
  readonly target: number;
}

/** One call of a function: its instructions that are in the region. */
interface Activation {
  readonly entry: number;
  readonly caller: Activation | undefined;
  readonly returnTo: number;
  readonly depth: number;
  readonly found: Set<number>;
  /** Where blocks start, with their indices. */
  readonly leaders: Map<number, number>;
  /** Calls that the region follows, by the place of the BL. */
  readonly calls: Map<number, Activation>;
}

class Finder {
  private readonly view: CodeView;
  private readonly reach: Reach;
  private readonly decoded = new Map<number, Found | undefined>();
  private readonly pages = new Map<number, number | undefined>();
  private readonly activations: Activation[] = [];
  private total = 0;

  constructor(view: CodeView, reach: Reach) {
    this.view = view;
    this.reach = reach;
  }

  region(entry: number): Region | undefined {
    const root = this.activate(entry, undefined, 0);
    this.explore(root);
    if (!root.found.has(entry)) return undefined;
    const blocks = this.blocks();
    const pages = new Map<number, number>();
    for (const { at } of blocks) pages.set(pageOf(at), this.page(pageOf(at)) as number);
    // What is entered again and again is worth it.
    const turns = findTurns(blocks, (at) => this.reach === FAR_REACH || this.isHot(at));
    return { blocks, turns, pages, instructions: this.total, reach: this.reach };
  }

  private page(index: number): number | undefined {
    if (!this.pages.has(index)) this.pages.set(index, this.view.page(index));
    return this.pages.get(index);
  }

  private hostOf(at: number): number | undefined {
    const page = this.page(pageOf(at));
    return page === undefined ? undefined : page + (at - pageOf(at) * CODE_PAGE);
  }

  /** The instruction at a place, unless it must leave generated code. */
  private instruction(at: number): Found | undefined {
    if (!this.decoded.has(at)) this.decoded.set(at, this.decode(at));
    return this.decoded.get(at);
  }

  private decode(at: number): Found | undefined {
    const host = this.hostOf(at);
    if (host === undefined) return undefined;
    const word = this.view.word(host);
    const variant = this.view.decoder.decode(word);
    if (!variant || variant.row.flow === 'leave') return undefined;
    const { flow, pattern } = variant.row;
    const isDirect = flow === 'jump' || flow === 'branch' || flow === 'call';
    return { word, flow, target: isDirect ? at + displacement(fieldsOf(pattern, word)) : at };
  }

  private activate(entry: number, caller: Activation | undefined, returnTo: number): Activation {
    const activation: Activation = {
      entry,
      caller,
      returnTo,
      depth: caller ? caller.depth + 1 : 0,
      found: new Set(),
      leaders: new Map([[entry, -1]]),
      calls: new Map(),
    };
    this.activations.push(activation);
    return activation;
  }

  /** Other pages are followed where control is known to go; within a page, no branch that is never taken is. */
  private follows(from: number, to: number, flow: Row['flow']): boolean {
    const host = this.hostOf(to);
    if (host === undefined) return false;
    if (pageOf(from) !== pageOf(to)) return this.reach.pages && this.view.isWarm(host);
    return flow !== 'branch' || this.view.isSeen(host);
  }

  private explore(activation: Activation): void {
    const { found, leaders } = activation;
    const work = [activation.entry];
    const lead = (from: number, to: number, flow?: Row['flow']): void => {
      if (!this.follows(from, to, flow)) return;
      leaders.set(to, -1);
      work.push(to);
    };
    while (work.length > 0) {
      let at = work.pop() as number;
      while (!found.has(at) && this.total < this.reach.instructions) {
        const instruction = this.instruction(at);
        if (!instruction) break;
        found.add(at);
        this.total++;
        const { flow, target } = instruction;
        if (flow === 'jump' || flow === 'branch') lead(at, target, flow);
        if (flow === 'call') {
          const callee = this.call(activation, at, target);
          if (callee) activation.calls.set(at, callee);
          if (callee || this.isAwaited(at + 4)) lead(at + 4, at + 4);
        }
        if (flow === 'indirectCall' && this.isAwaited(at + 4)) lead(at + 4, at + 4);
        if (flow !== undefined && flow !== 'branch') break;
        at += 4;
        if (flow === 'branch') leaders.set(at, -1);
        if (at % CODE_PAGE === 0) {
          lead(at - 4, at);
          break;
        }
      }
    }
  }

  private isHot(at: number): boolean {
    const host = this.hostOf(at);
    return host !== undefined && this.view.isHot(host);
  }

  /** Whether the region waits for calls that return there: in its own page, and not for one that never does. */
  private isAwaited(at: number): boolean {
    const host = this.hostOf(at);
    return this.reach.awaits && pageOf(at) === 0 && host !== undefined && this.view.isSeen(host);
  }

  /** Follows a call where that is worth it. */
  private call(caller: Activation, at: number, target: number): Activation | undefined {
    if (caller.depth === this.reach.depth) return undefined;
    for (let a: Activation | undefined = caller; a; a = a.caller) if (a.entry === target) return undefined;
    const host = this.hostOf(target);
    if (host === undefined || !this.view.isWarm(host)) return undefined;
    const size = this.sizeOf(target);
    if (size === undefined || this.total + size > this.reach.instructions) return undefined;
    const callee = this.activate(target, caller, at + 4);
    this.explore(callee);
    return callee;
  }

  /** Instructions of a function without what it calls; undefined where they are too many to copy. */
  private sizeOf(entry: number): number | undefined {
    const found = new Set<number>();
    const work = [entry];
    while (work.length > 0) {
      let at = work.pop() as number;
      while (!found.has(at)) {
        const instruction = this.instruction(at);
        if (!instruction) break;
        if (found.add(at).size > this.reach.callee) return undefined;
        const { flow, target } = instruction;
        if ((flow === 'jump' || flow === 'branch') && this.follows(at, target, flow)) work.push(target);
        if (flow === 'jump' || flow === 'indirect' || flow === 'return') break;
        at += 4;
      }
    }
    return found.size;
  }

  private blocks(): BasicBlock[] {
    let index = 0;
    for (const { found, leaders } of this.activations) {
      for (const at of leaders.keys()) {
        if (found.has(at)) leaders.set(at, index++);
        else leaders.delete(at);
      }
    }
    return this.activations.flatMap((activation) =>
      [...activation.leaders.keys()].map((at) => this.block(activation, at)),
    );
  }

  private block(activation: Activation, start: number): BasicBlock {
    const { leaders, caller, calls } = activation;
    const way = (to: number, of: Activation | undefined): Way => ({ at: to, block: of?.leaders.get(to) });
    const words: number[] = [];
    let flow: BasicBlock['flow'] = 'next';
    let target: Way | undefined;
    let at = start;
    while (flow === 'next' && activation.found.has(at) && (at === start || !leaders.has(at))) {
      const found = this.instruction(at) as Found;
      words.push(found.word);
      if (found.flow && found.flow !== 'leave') {
        flow = found.flow;
        if (flow === 'return') target = caller && way(activation.returnTo, caller);
        else if (flow !== 'indirect' && flow !== 'indirectCall') {
          target = way(found.target, flow === 'call' ? calls.get(at) : activation);
        }
      }
      at += 4;
    }
    return {
      index: leaders.get(start) as number,
      at: start,
      words,
      flow,
      next: way(at, activation),
      target,
    };
  }
}

/** The region at `entry`, an offset in page 0; undefined where it would be empty. */
export function findRegion(view: CodeView, entry: number, reach: Reach): Region | undefined {
  return new Finder(view, reach).region(entry);
}
