// Region to WebAssembly module: one exported function, importing memory and what it calls of the interpreter.

import type { PhysicalMemory } from '../../memory/index.ts';
import { Code, type FunctionRef, ModuleWriter, type Signature } from '../../wasm/index.ts';
import { REGION } from '../interpreter/runtime.ts';
import { JitInsn } from './insn.ts';
import type { BasicBlock, Region } from './region.ts';
import { type RegionEnvironment, RegionState } from './region-state.ts';
import { emitStructured } from './structure.ts';

/** What regions may call, by name: the interpreter's exports and the host helpers, with their signatures. */
export interface Callable {
  readonly signature: Signature;
  readonly function: unknown;
}

export type RegionFunction = (cpu: number, budget: number) => number;

const WASM_PAGE = 65536;

/** A module that holds one region; `page` is the host offset of its code page. Bytes and the names it imports. */
export function encodeRegion(
  region: Region,
  page: number,
  memoryPages: number,
  conditionTable: number,
  callables: ReadonlyMap<string, Callable>,
): { bytes: Uint8Array; imports: readonly string[] } {
  const module = new ModuleWriter();
  const imported = new Map<string, FunctionRef>();
  const environment: RegionEnvironment = {
    conditionTable,
    // The index is known when all imports are; bodies are written after that.
    import: (name) => {
      let ref = imported.get(name);
      if (!ref) {
        const callable = callables.get(name);
        if (!callable) throw new Error(`no helper is called ${name}`);
        ref = { index: -1, signature: callable.signature };
        imported.set(name, ref);
      }
      return ref;
    },
  };
  const code = new Code(module, REGION);
  emitRegion(new RegionState(code, page, environment), region);

  module.importMemory('m', 'm', memoryPages);
  for (const [name, ref] of imported) {
    ref.index = module.importFunction('f', name, ref.signature.params, ref.signature.results).index;
  }
  module.define(module.declare(REGION.params, REGION.results, 'r'), code.finish());
  return { bytes: module.encode(), imports: [...imported.keys()] };
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

/** Instantiates what encodeRegion wrote. */
export function instantiateRegion(
  bytes: Uint8Array,
  imports: readonly string[],
  memory: PhysicalMemory,
  callables: ReadonlyMap<string, Callable>,
): RegionFunction {
  const functions = Object.fromEntries(
    imports.map((name) => [name, (callables.get(name) as Callable).function]),
  );
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    m: { m: memory.memory },
    f: functions,
  });
  return instance.exports.r as RegionFunction;
}

export const memoryPagesOf = (memory: PhysicalMemory): number => memory.memory.buffer.byteLength / WASM_PAGE;
