// Regions to a WebAssembly module: one exported function each, importing memory and what they call of the interpreter.

import type { Decoder, Variant } from '../../a64/index.ts';
import { Code, type FunctionRef, ModuleWriter, type Signature, type Value } from '../../wasm/index.ts';
import { CALLABLES } from '../interpreter/image.ts';
import { REGION } from '../interpreter/runtime.ts';
import { type Ending, JitInsn } from './insn.ts';
import { type BasicBlock, pageOf, type Region, type Way, waits } from './region.ts';
import { type RegionEnvironment, type RegionOptions, RegionState } from './region-state.ts';
import { emitStructured } from './structure.ts';
import { Turns } from './turns.ts';

/** A region to compile. */
export interface Order {
  readonly region: Region;
  /** Offset of the u32 that its entries count down. */
  readonly countdown: number;
  /** Where it counts for a profile. */
  readonly counter?: number;
}

/** What goes into one module. */
export interface Batch {
  readonly decoder: Decoder;
  readonly memoryPages: number;
  readonly options: RegionOptions;
  readonly orders: readonly Order[];
}

/** The module's bytes, and how many of them each function has: 'r0', 'r1' and so on, in the orders' order. */
export function encodeBatch(batch: Batch): { bytes: Uint8Array; sizes: number[] } {
  const { decoder, memoryPages, options, orders } = batch;
  const module = new ModuleWriter();
  module.importMemory('m', 'm', memoryPages, memoryPages);
  const imported = new Map<string, FunctionRef>();
  const environment: RegionEnvironment = {
    ...options,
    import(name) {
      const known = imported.get(name);
      if (known) return known;
      const { params, results } = CALLABLES[name] as Signature;
      const ref = module.importFunction('f', name, params, results);
      imported.set(name, ref);
      return ref;
    },
  };
  // One region at a time is built and written, so that what it was built from dies young. Functions are declared when
  // all imports are known, which come before them.
  const bodies = orders.map((order) => {
    const code = new Code(module, REGION);
    emitRegion(new RegionState(code, order.region.pages, environment, order.counter), order, decoder);
    return code.finish();
  });
  for (const [k, body] of bodies.entries())
    module.define(module.declare(REGION.params, REGION.results, `r${k}`), body);
  const sizes = bodies.map((body) => body.length);
  return { bytes: module.encode(), sizes };
}

function emitRegion(state: RegionState, { region, countdown }: Order, decoder: Decoder): void {
  const insn = new JitInsn(state);
  state.build(
    () =>
      emitStructured(state.code, region, {
        block: (block, go) => emitBlock(state, insn, decoder, block, go),
        leaveTo: ({ at }) => state.enter(at),
      }),
    () => {
      state.countEntry();
      state.countDown(countdown, (region.blocks[0] as BasicBlock).at);
    },
  );
}

function emitBlock(
  state: RegionState,
  insn: JitInsn,
  decoder: Decoder,
  block: BasicBlock,
  go: (to: number) => void,
): void {
  const emit = (k: number): void => {
    const word = block.words[k] as number;
    insn.emit(block.at + 4 * k, word, decoder.decode(word) as Variant);
  };
  const to = ({ at, block: index }: Way): void => {
    if (index === undefined) state.enter(at);
    else {
      if (pageOf(at) !== pageOf(block.at)) state.prove(at);
      go(index);
    }
  };
  const { next, target } = block;
  if (block.repeats) {
    emitTurns(state, insn, block, emit, to);
    return;
  }
  insn.beginBlock(block);
  state.block(block.at, block.words.length, emit);
  const { ending } = insn;
  if (block.flow === 'next' || !ending) {
    to(next);
    return;
  }
  const awaited = waits(block) ? () => to(next) : undefined;
  switch (ending.kind) {
    case 'jump':
      if (awaited) state.call((target as Way).at, next.at, awaited);
      else to(target as Way);
      break;
    case 'branch':
      state.code.if(
        ending.condition,
        () => to(target as Way),
        () => to(next),
      );
      break;
    case 'indirect':
      if (target) state.code.if(ending.target.eq(state.pcOf(target.at)), () => to(target));
      if (awaited) state.callIndirect(ending.target, ending.btype, next.at, awaited);
      else if (ending.btype === 0) state.return(ending.target);
      else state.jumpIndirect(ending.target, ending.btype);
  }
}

/** A block that repeats itself: a turn as any block, then those that need no lookups, and so on. */
function emitTurns(
  state: RegionState,
  insn: JitInsn,
  block: BasicBlock,
  emit: (k: number) => void,
  to: (way: Way) => void,
): void {
  const { code, budget } = state;
  const { at, words, next, target } = block;
  const goesOn = (): Value => (insn.ending as Ending & { kind: 'branch' }).condition;
  const turns = new Turns(code);
  state.turns = turns;
  insn.beginBlock(block);
  state.block(at, words.length, emit);
  let again = goesOn();
  if (turns.isSteady()) {
    const still = code.variable('i32', again);
    code.if(again, () => {
      const count = turns.count(budget.get().divU(words.length));
      code.if(count, () => {
        const emitTurn = (k: number): void => {
          if (k === 0) {
            insn.beginTurn();
            turns.begin();
          }
          emit(k);
        };
        still.set(state.repeat(at, words.length, count, emitTurn, goesOn));
      });
    });
    again = still.get();
  }
  state.turns = undefined;
  code.if(
    again,
    () => to(target as Way),
    () => to(next),
  );
}
