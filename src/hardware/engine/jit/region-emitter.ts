// The blocks of a region one after another: their instructions, and where control goes from each.

import type { Decoder, Variant } from '../../a64/index.ts';
import type { Value } from '../../wasm/index.ts';
import { JitInsn } from './insn.ts';
import { type BasicBlock, exitOf, pageOf, type Region, type Way, waits } from './region.ts';
import type { RegionState } from './region-state.ts';
import type { BlockEmitter } from './structure.ts';
import { Turns } from './turns.ts';

type Go = (to: number) => void;

export class RegionEmitter implements BlockEmitter {
  private readonly state: RegionState;
  private readonly insn: JitInsn;
  private readonly region: Region;
  private readonly decoder: Decoder;
  /** By the blocks of the turns. */
  private readonly turns = new Map<BasicBlock, Turns>();

  constructor(state: RegionState, region: Region, decoder: Decoder) {
    this.state = state;
    this.insn = new JitInsn(state);
    this.region = region;
    this.decoder = decoder;
    for (const blocks of region.turns.values()) {
      const turns = new Turns(state.code);
      for (const block of blocks) this.turns.set(block, turns);
    }
  }

  block(block: BasicBlock, go: Go): void {
    const { state, insn } = this;
    insn.beginBlock();
    state.turns = this.turns.get(block);
    state.block(block.at, block.words.length, (k) => this.instruction(block, k));
    const turn = this.region.turns.get(block.index);
    const back = turn?.[0]?.index;
    this.end(block, (to) => {
      if (turn && to === back) this.repeat(turn, go);
      go(to);
    });
  }

  leaveTo({ at }: BasicBlock): void {
    this.state.enter(at);
  }

  private instruction({ at, words }: BasicBlock, k: number): void {
    const word = words[k] as number;
    this.insn.emit(at + 4 * k, word, this.decoder.decode(word) as Variant);
  }

  /** Goes a way from a block. */
  private to(from: BasicBlock, { at, block }: Way, go: Go): void {
    if (block === undefined) {
      this.state.enter(at);
      return;
    }
    if (pageOf(at) !== pageOf(from.at)) this.state.prove(at);
    go(block);
  }

  /** Goes on behind a block's last instruction. */
  private end(block: BasicBlock, go: Go): void {
    const { state } = this;
    const { flow, next } = block;
    const target = block.target as Way;
    const { ending } = this.insn;
    const to = (way: Way): void => this.to(block, way, go);
    if (flow === 'next' || !ending) {
      to(next);
      return;
    }
    const awaited = waits(block) ? () => to(next) : undefined;
    switch (ending.kind) {
      case 'jump':
        if (awaited) state.call(target.at, next.at, awaited);
        else to(target);
        break;
      case 'branch':
        state.code.if(
          ending.condition,
          () => to(target),
          () => to(next),
        );
        break;
      case 'indirect':
        if (block.target) state.code.if(ending.target.eq(state.pcOf(target.at)), () => to(target));
        if (awaited) state.callIndirect(ending.target, ending.btype, next.at, awaited);
        else if (ending.btype === 0) state.return(ending.target);
        else state.jumpIndirect(ending.target, ending.btype);
    }
  }

  /** Behind a turn of a loop: those that need no lookups. */
  private repeat(turn: readonly BasicBlock[], go: Go): void {
    const { state, insn } = this;
    const { code } = state;
    const turns = this.turns.get(turn[0] as BasicBlock) as Turns;
    if (!turns.isSteady()) return;
    state.turns = turns;
    const instructions = turn.flatMap((block, k) =>
      block.words.map((_, n) => () => {
        this.instruction(block, n);
        const exit = n === block.words.length - 1 ? exitOf(turn, k) : undefined;
        if (exit) state.leaveTurnIf(this.leaves(block, exit), () => this.to(block, exit, go));
      }),
    );
    const pieces = turn.map(({ at, words }) => ({ at, count: words.length }));
    const count = turns.count(state.budget.get().divU(instructions.length));
    code.if(count, () =>
      state.repeat(pieces, count, turns.writes, (k) => {
        if (k === 0) {
          insn.beginTurn();
          turns.begin();
        }
        instructions[k]?.();
      }),
    );
  }

  /** Whether a block's last instruction, which branches, goes this way; i32. */
  private leaves({ target }: BasicBlock, way: Way): Value {
    const { ending } = this.insn;
    if (ending?.kind !== 'branch') throw new Error('a way out of a turn without a branch');
    return way === target ? ending.condition : ending.condition.eqz();
  }
}
