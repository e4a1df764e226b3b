// Regions to a WebAssembly module: one exported function each, importing memory and what they call of the interpreter.

import type { Decoder } from '../../a64/index.ts';
import { Code, type FunctionRef, ModuleWriter, type Signature } from '../../wasm/index.ts';
import { CALLABLES } from '../interpreter/image.ts';
import { REGION } from '../interpreter/runtime.ts';
import type { BasicBlock, Region } from './region.ts';
import { RegionEmitter } from './region-emitter.ts';
import { type RegionEnvironment, type RegionOptions, RegionState } from './region-state.ts';
import { emitStructured } from './structure.ts';

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

function emitRegion(state: RegionState, order: Order, decoder: Decoder): void {
  const emitter = new RegionEmitter(state, order.region, decoder);
  state.build(
    () => emitStructured(state.code, order.region, emitter),
    () => {
      state.countEntry();
      state.countDown(order.countdown, (order.region.blocks[0] as BasicBlock).at);
    },
  );
}
