// Writes WebAssembly binary modules (core specification, chapter 5): types, imports, functions, one table,
// exports and code. Function bodies come finished from code.ts.

import { TYPE_CODE, type Type } from './opcodes.ts';

export interface Signature {
  readonly params: readonly Type[];
  readonly results: readonly Type[];
}

/** A function of the module under construction; `index` is what call instructions name, once it is known. */
export interface FunctionRef {
  index: number;
  readonly signature: Signature;
}

interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: readonly number[];
}

export function uleb(out: number[], n: number): void {
  let rest = n;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

const utf8 = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));

export class ModuleWriter {
  private readonly types: number[][] = [];
  private readonly typeIndex = new Map<string, number>();
  private readonly imports: Import[] = [];
  private readonly functionTypes: number[] = [];
  private readonly bodies: (Uint8Array | undefined)[] = [];
  private readonly exports: { name: string; index: number }[] = [];
  private importedFunctions = 0;
  private tableElements: readonly FunctionRef[] = [];
  private tableSize = 0;
  private tableExport: string | undefined;

  /** The index of a signature in the type section. */
  type(signature: Signature): number {
    const bytes = [0x60];
    for (const list of [signature.params, signature.results]) {
      uleb(bytes, list.length);
      for (const t of list) bytes.push(TYPE_CODE[t]);
    }
    const key = bytes.join();
    let index = this.typeIndex.get(key);
    if (index === undefined) {
      index = this.types.length;
      this.types.push(bytes);
      this.typeIndex.set(key, index);
    }
    return index;
  }

  /** Any memory of `least` to `most` pages of 64 KiB. */
  importMemory(module: string, name: string, least: number, most: number): void {
    const limits = [0x01];
    uleb(limits, least);
    uleb(limits, most);
    this.imports.push({ module, name, kind: [0x02, ...limits] });
  }

  /** All imports come before the first function. */
  importFunction(
    module: string,
    name: string,
    params: readonly Type[],
    results: readonly Type[],
  ): FunctionRef {
    if (this.functionTypes.length > 0) throw new Error(`import of ${name} after a function`);
    const signature = { params, results };
    const kind = [0x00];
    uleb(kind, this.type(signature));
    this.imports.push({ module, name, kind });
    return { index: this.importedFunctions++, signature };
  }

  /** Declares a function; its body may refer to it and to others declared later. */
  declare(params: readonly Type[], results: readonly Type[], exportName?: string): FunctionRef {
    const signature = { params, results };
    const index = this.importedFunctions + this.functionTypes.length;
    this.functionTypes.push(this.type(signature));
    this.bodies.push(undefined);
    if (exportName !== undefined) this.exports.push({ name: exportName, index });
    return { index, signature };
  }

  define(ref: FunctionRef, body: Uint8Array): void {
    this.bodies[ref.index - this.importedFunctions] = body;
  }

  /** The module's one table, filled from index 0, with `spare` empty slots after that. */
  setTable(elements: readonly FunctionRef[], spare = 0, exportName?: string): void {
    this.tableElements = elements;
    this.tableSize = elements.length + spare;
    this.tableExport = exportName;
  }

  /** Makes a function of this module visible outside. */
  export(ref: FunctionRef, name: string): void {
    this.exports.push({ name, index: ref.index });
  }

  encode(): Uint8Array {
    const chunks: (Uint8Array | number[])[] = [[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]];
    const section = (id: number, parts: (Uint8Array | number[])[]): void => {
      const head = [id];
      uleb(
        head,
        parts.reduce((n, part) => n + part.length, 0),
      );
      chunks.push(head, ...parts);
    };
    const vector = (items: readonly number[][]): number[] => {
      const out: number[] = [];
      uleb(out, items.length);
      for (const item of items) for (const byte of item) out.push(byte);
      return out;
    };
    const name = (text: string): number[] => vector(utf8(text).map((byte) => [byte]));

    section(1, [vector(this.types)]);
    if (this.imports.length > 0) {
      section(2, [vector(this.imports.map((i) => [...name(i.module), ...name(i.name), ...i.kind]))]);
    }
    section(3, [
      vector(
        this.functionTypes.map((t) => {
          const out: number[] = [];
          uleb(out, t);
          return out;
        }),
      ),
    ]);
    const elements = this.tableElements;
    if (elements.length > 0) {
      const table = [1, 0x70, 0x01];
      uleb(table, this.tableSize);
      uleb(table, this.tableSize);
      section(4, [table]);
    }
    const exports = this.exports.map((e) => {
      const out = [...name(e.name), 0x00];
      uleb(out, e.index);
      return out;
    });
    if (this.tableExport !== undefined) exports.push([...name(this.tableExport), 0x01, 0x00]);
    section(7, [vector(exports)]);
    if (elements.length > 0) {
      const out = [1, 0x00, 0x41, 0x00, 0x0b];
      uleb(out, elements.length);
      for (const element of elements) uleb(out, element.index);
      section(9, [out]);
    }
    const code: (Uint8Array | number[])[] = [];
    const count: number[] = [];
    uleb(count, this.bodies.length);
    code.push(count);
    for (const [k, body] of this.bodies.entries()) {
      if (!body) throw new Error(`function ${k + this.importedFunctions} was declared and never defined`);
      const size: number[] = [];
      uleb(size, body.length);
      code.push(size, body);
    }
    section(10, code);

    const bytes = new Uint8Array(chunks.reduce((n, chunk) => n + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}
