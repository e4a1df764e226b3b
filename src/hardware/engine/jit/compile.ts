// Region to WebAssembly module: one exported function, importing memory and what it calls of the interpreter.

import type { PhysicalMemory } from '../../memory/index.ts';
import { Code, type FunctionRef, ModuleWriter } from '../../wasm/index.ts';
import type { Callable } from '../interpreter/interpreter.ts';
import { REGION } from '../interpreter/runtime.ts';
import { JitInsn } from './insn.ts';
import type { BasicBlock, Region } from './region.ts';
import { type RegionEnvironment, type RegionOptions, RegionState } from './region-state.ts';
import { emitStructured } from './structure.ts';

export type RegionFunction = (cpu: number, budget: number) => number;

const WASM_PAGE = 65536;

/** A region and the host offset of its code page. */
export interface PlacedRegion {
  readonly region: Region;
  readonly page: number;
}

/** One module for several regions. It imports all callables, in their order; region k is exported as 'r' + k. */
export function encodeRegions(
  placed: readonly PlacedRegion[],
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
  for (const [k, { region, page }] of placed.entries()) {
    const code = new Code(module, REGION);
    emitRegion(new RegionState(code, page, environment), region);
    module.define(module.declare(REGION.params, REGION.results, `r${k}`), code.finish());
  }
  return module.encode();
}

function emitRegion(state: RegionState, region: Region): void {
  const insn = new JitInsn(state);
  state.build(() =>
    emitStructured(state.code, region, {
      block: (block, go) => emitBlock(state, insn, region, block, go),
      leaveTo: (to) => state.leave('enter', to, 0),
    }),
  );
}

function emitBlock(
  state: RegionState,
  insn: JitInsn,
  region: Region,
  block: BasicBlock,
  go: (to: number) => void,
): void {
  const count = block.instructions.length;
  insn.beginBlock();
  state.charge(block.start, count);
  for (const [k, instruction] of block.instructions.entries()) insn.emit(instruction, count - k);
  const to = (offset: number): void => {
    if (region.blocks.has(offset)) go(offset);
    else if (offset >= 0 && offset < 4096) state.leave('enter', offset, 0);
    else state.jump(state.pcOf(offset));
  };
  const { ending } = insn;
  if (block.flow === 'next' || !ending) {
    to(block.end);
    return;
  }
  switch (ending.kind) {
    case 'jump':
      if (block.flow === 'call') leaveByCall(state, block.target as number);
      else to(block.target as number);
      break;
    case 'branch':
      state.code.if(
        ending.condition,
        () => to(block.target as number),
        () => to(block.end),
      );
      break;
    case 'indirect':
      if (ending.btype === 0) state.jump(ending.target);
      else state.jumpIndirect(ending.target, ending.btype);
  }
}

function leaveByCall(state: RegionState, target: number): void {
  if (target >= 0 && target < 4096) state.leave('enter', target, 0);
  else state.jump(state.pcOf(target));
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
