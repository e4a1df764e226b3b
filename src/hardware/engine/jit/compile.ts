// Region to WebAssembly module: one exported function, importing memory and what it calls of the interpreter.

import type { PhysicalMemory } from '../../memory/index.ts';
import { Code, type FunctionRef, ModuleWriter } from '../../wasm/index.ts';
import type { Callable } from '../interpreter/interpreter.ts';
import { REGION } from '../interpreter/runtime.ts';
import { JitInsn } from './insn.ts';
import { type BasicBlock, pageOf, type Region, type Way } from './region.ts';
import { type RegionEnvironment, type RegionOptions, RegionState } from './region-state.ts';
import { emitStructured } from './structure.ts';

export type RegionFunction = (cpu: number, budget: number) => number;

const WASM_PAGE = 65536;

/** A region to compile, and where the entries are counted that remain before it is worth compiling again. */
export interface Order {
  readonly region: Region;
  readonly countdown: number | undefined;
  /** Where it counts for a profile. */
  readonly counter?: number | undefined;
  /** Told how many bytes its function has. */
  written?(bytes: number): void;
}

/** One module for several regions. It imports all callables, in their order; region k is exported as 'r' + k. */
export function encodeRegions(
  orders: readonly Order[],
  memoryPages: number,
  options: RegionOptions,
  callables: ReadonlyMap<string, Callable>,
): Uint8Array {
  const module = new ModuleWriter();
  module.importMemory('m', 'm', memoryPages, memoryPages);
  const imported = new Map<string, FunctionRef>();
  for (const [name, { signature }] of callables) {
    imported.set(name, module.importFunction('f', name, signature.params, signature.results));
  }
  const environment: RegionEnvironment = {
    ...options,
    import: (name) => imported.get(name) as FunctionRef,
  };
  // One region at a time is built and written, so that what it was built from dies young.
  for (const [k, order] of orders.entries()) {
    const { region, countdown, counter } = order;
    const code = new Code(module, REGION);
    emitRegion(new RegionState(code, region.pages, environment, counter), region, countdown);
    const body = code.finish();
    order.written?.(body.length);
    module.define(module.declare(REGION.params, REGION.results, `r${k}`), body);
  }
  return module.encode();
}

function emitRegion(state: RegionState, region: Region, countdown: number | undefined): void {
  const insn = new JitInsn(state);
  state.build(
    () =>
      emitStructured(state.code, region, {
        block: (block, go) => emitBlock(state, insn, block, go),
        leaveTo: ({ at }) => state.leave('enter', at, 0),
      }),
    () => {
      state.countEntry();
      if (countdown !== undefined) state.countDown(countdown, (region.blocks[0] as BasicBlock).at);
    },
  );
}

function emitBlock(state: RegionState, insn: JitInsn, block: BasicBlock, go: (to: number) => void): void {
  const count = block.instructions.length;
  insn.beginBlock();
  state.charge(block.at, count);
  for (const [k, instruction] of block.instructions.entries()) insn.emit(instruction, count - k);
  const to = ({ at, block: index }: Way): void => {
    if (index === undefined) state.leave('enter', at, 0);
    else {
      if (pageOf(at) !== pageOf(block.at)) state.prove(at);
      go(index);
    }
  };
  state.endBlock();
  const { next, target } = block;
  const { ending } = insn;
  if (block.flow === 'next' || !ending) {
    to(next);
    return;
  }
  switch (ending.kind) {
    case 'jump':
      to(target as Way);
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
      if (ending.btype === 0) state.jump(ending.target);
      else state.jumpIndirect(ending.target, ending.btype);
  }
}

/** What every module of regions imports. */
export function regionImports(
  memory: PhysicalMemory,
  callables: ReadonlyMap<string, Callable>,
): Record<string, Record<string, unknown>> {
  const functions = [...callables].map(([name, callable]) => [name, callable.function]);
  return { m: { m: memory.memory }, f: Object.fromEntries(functions) };
}

/** Instantiates what encodeRegions wrote; the regions' functions in their order. */
export function instantiateRegions(
  bytes: Uint8Array,
  imports: Record<string, Record<string, unknown>>,
): RegionFunction[] {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  return Object.values(instance.exports) as RegionFunction[];
}

export const memoryPagesOf = (memory: PhysicalMemory): number => memory.memory.buffer.byteLength / WASM_PAGE;
