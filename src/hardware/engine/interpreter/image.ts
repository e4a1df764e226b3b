// The interpreter's code and tables, made once for a set of features and a place in memory, and shared by every
// machine that has the same: generating it takes as long as booting a small guest.

import {
  buildDecoder,
  builtHelpers,
  type Decoder,
  decoderWith,
  type Feature,
  hostHelpers,
  instructionTable,
  packTree,
  UNALLOCATED,
  UNDEFINED,
  unpackTree,
  type Variant,
} from '../../a64/index.ts';
import { Code, type FunctionRef, ModuleWriter, type Signature } from '../../wasm/index.ts';
import { flagHelpers } from '../jit/flags.ts';
import { lookupHelpers } from '../tlb-lookup.ts';
import { InterpreterInsn } from './insn.ts';
import { CONTINUATIONS, HANDLER, type JitHooks, Runtime } from './runtime.ts';

/** wasm32's limits, so that one module serves memories of all sizes. */
const SMALLEST_MEMORY = 1;
const LARGEST_MEMORY = 65536;

const BUILT_HELPERS = { ...builtHelpers, ...flagHelpers, ...lookupHelpers };

/** What compiled regions may call, by name. */
export const CALLABLES: Readonly<Record<string, Signature>> = {
  ...CONTINUATIONS,
  ...BUILT_HELPERS,
  ...hostHelpers,
};

/** Arm ARM C1.2.4: does condition `cond` hold for these flags? */
export function conditionHolds(cond: number, nzcv: number): boolean {
  const [n, z, c, v] = [8, 4, 2, 1].map((bit) => (nzcv & bit) !== 0) as [boolean, boolean, boolean, boolean];
  const base = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1] as boolean;
  return (cond & 1) === 1 && cond !== 15 ? !base : base;
}

/** Where the tables are, from `base` on: 256 condition bytes, three words, the decoder's root, its switches. */
class TableLayout {
  readonly conditions: number;
  /** u32: AllocationTags.bias and markBias, which the memory's size decides. */
  readonly tagPlaces: number;
  /** i32: minus the arrivals that make code hot. */
  readonly arrivals: number;
  readonly root: number;
  readonly switches: readonly number[];
  readonly bytes: number;

  constructor(decoder: Decoder, base: number) {
    this.conditions = base;
    this.tagPlaces = base + 256;
    this.arrivals = base + 264;
    this.root = base + 268;
    let next = this.root + decoder.root.length * 2;
    this.switches = decoder.switches.map((s) => {
      const at = next;
      next += s.next.length * 2;
      return at;
    });
    this.bytes = next - base;
  }
}

interface Placement {
  /** What must stand in memory at the base it was made for. */
  readonly tables: Uint8Array;
  /** Offset of the table that tells whether a condition holds. */
  readonly conditionTable: number;
  /** Offset of the words that hold the memory's AllocationTags.bias and markBias. */
  readonly tagPlaces: number;
  /** Offset of the word that holds minus the arrivals that make code hot. */
  readonly arrivals: number;
  /** Index of the first function table slot that is free for regions. */
  readonly firstSpare: number;
}

export interface InterpreterImage extends Placement {
  readonly decoder: Decoder;
  readonly module: WebAssembly.Module;
}

/** An image as bytes, for a file beside the program that made it: no other version can use it. */
export interface ImageBytes extends Placement {
  /** The features and places that it was made for. */
  readonly key: string;
  /** The features that are absent (featureKey), and the decision tree of the rest (packTree). */
  readonly features: string;
  readonly tree: Int32Array;
  /** The WebAssembly module. */
  readonly module: Uint8Array;
}

/** What was generated or offered, by key. */
const bytes = new Map<string, ImageBytes>();

/** Images that this program generated so far. */
export const generatedImages = (): Iterable<ImageBytes> => bytes.values();

/** An image from an earlier run of this very program, so that it need not be generated. */
export function offerImage(image: ImageBytes): void {
  bytes.set(image.key, image);
  trees.set(image.features, image.tree);
}

/** Decision trees that were offered, by featureKey. */
const trees = new Map<string, Int32Array>();
const decoders = new Map<string, Decoder>();
const images = new Map<string, InterpreterImage>();

const featureKey = (absent: ReadonlySet<Feature>): string => [...absent].sort().join();

function decoderFor(absent: ReadonlySet<Feature>): Decoder {
  const key = featureKey(absent);
  let decoder = decoders.get(key);
  if (!decoder) {
    const rows = instructionTable(absent);
    const tree = trees.get(key);
    decoder = tree ? decoderWith(unpackTree(tree), rows) : buildDecoder(rows);
    decoders.set(key, decoder);
  }
  return decoder;
}

/** The interpreter without these features; `reserve` gives the base for a number of bytes. */
export function interpreterImage(
  absent: ReadonlySet<Feature>,
  jit: JitHooks | undefined,
  reserve: (bytes: number) => number,
): { image: InterpreterImage; base: number } {
  const decoder = decoderFor(absent);
  const base = reserve(new TableLayout(decoder, 0).bytes);
  const key = `${featureKey(absent)}:${base}:${jit?.codeCache}:${jit?.spareTable}`;
  let image = images.get(key);
  if (!image) {
    const made = bytes.get(key) ?? {
      key,
      features: featureKey(absent),
      tree: packTree(decoder),
      ...generate(decoder, new TableLayout(decoder, base), jit),
    };
    bytes.set(key, made);
    image = { ...made, decoder, module: new WebAssembly.Module(made.module) };
    images.set(key, image);
  }
  return { image, base };
}

function generate(
  decoder: Decoder,
  layout: TableLayout,
  jit: JitHooks | undefined,
): Placement & { readonly module: Uint8Array } {
  const module = new ModuleWriter();
  module.importMemory('host', 'memory', SMALLEST_MEMORY, LARGEST_MEMORY);
  const tables = {
    decodeTable: layout.root,
    conditionTable: layout.conditions,
    tagPlaces: layout.tagPlaces,
    arrivals: layout.arrivals,
    jit,
  };
  const runtime = new Runtime(module, tables, BUILT_HELPERS, hostHelpers);
  const declare = (): FunctionRef => module.declare(HANDLER.params, HANDLER.results);
  const handlers = decoder.variants.map(declare);
  const switches = decoder.switches.map(declare);
  const undefinedHandler = declare();

  const define = (handler: FunctionRef, variant: Variant): void => {
    let whole: FunctionRef | undefined;
    const declareWhole = (): FunctionRef => {
      whole ??= declare();
      return whole;
    };
    const isBrief = variant.row.flow !== 'leave';
    module.define(handler, handlerBody(module, runtime, variant, isBrief ? declareWhole : undefined));
    if (whole) module.define(whole, handlerBody(module, runtime, variant));
  };
  for (const [k, variant] of decoder.variants.entries()) define(handlers[k] as FunctionRef, variant);
  for (const [k, { low, width }] of decoder.switches.entries()) {
    const c = new Code(module, HANDLER);
    const insn = c.param(1);
    const mask = (1 << width) - 1;
    const handler = c.load(
      'i32.load16_u',
      insn.shrU(low).and(mask).shl(1),
      layout.switches[k] as number,
      'constant',
    );
    c.tailCallIndirect(HANDLER, handler, c.param(0), insn, c.param(2), c.param(3));
    module.define(switches[k] as FunctionRef, c.finish());
  }
  define(undefinedHandler, { row: UNALLOCATED, fields: {} });
  const elements = [...handlers, ...switches, undefinedHandler];
  module.setTable(elements, jit?.spareTable, 'table');

  return {
    module: module.encode(),
    tables: fillTables(decoder, layout, (next) =>
      next === UNDEFINED ? elements.length - 1 : next < 0 ? handlers.length + ~next : next,
    ),
    conditionTable: layout.conditions,
    tagPlaces: layout.tagPlaces,
    arrivals: layout.arrivals,
    firstSpare: elements.length,
  };
}

/** `whole` declares the handler for what this one leaves out; without it, it leaves nothing out. */
function handlerBody(
  module: ModuleWriter,
  runtime: Runtime,
  variant: Variant,
  whole?: () => FunctionRef,
): Uint8Array {
  const c = new Code(module, HANDLER);
  try {
    new InterpreterInsn(c, variant, runtime, whole).emit();
    return c.finish();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${variant.row.name} ${JSON.stringify(variant.fields)}: ${reason}`);
  }
}

/** `index` maps an entry of the decoder to a slot of the function table. */
function fillTables(decoder: Decoder, layout: TableLayout, index: (next: number) => number): Uint8Array {
  const bytes = new Uint8Array(layout.bytes);
  const words = new DataView(bytes.buffer);
  const base = layout.conditions;
  for (let k = 0; k < 256; k++) bytes[k] = conditionHolds(k >> 4, k & 15) ? 1 : 0;
  decoder.root.forEach((next, k) => {
    words.setUint16(layout.root - base + 2 * k, index(next), true);
  });
  for (const [k, { next }] of decoder.switches.entries()) {
    const at = (layout.switches[k] as number) - base;
    next.forEach((n, bits) => {
      words.setUint16(at + 2 * bits, index(n), true);
    });
  }
  return bytes;
}
