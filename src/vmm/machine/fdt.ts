// A flattened device tree writer (Devicetree Specification 0.4, chapter 5): nodes, typed properties, bytes.
// It knows the format and nothing about any board.

const MAGIC = 0xd00dfeed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const END = 9;

const align4 = (n: number): number => (n + 3) & ~3;

/** Two cells of an address or a size below 2^53. */
export const cells64 = (n: number): [number, number] => [Math.floor(n / 2 ** 32), n >>> 0];

/** A node under construction; every setter returns the node, so that a node reads as one expression. */
export class FdtNode {
  readonly name: string;
  readonly properties = new Map<string, Uint8Array>();
  readonly children: FdtNode[] = [];
  private readonly handles: { next: number };
  private handle = 0;

  private constructor(name: string, handles: { next: number }) {
    this.name = name;
    this.handles = handles;
  }

  static root(): FdtNode {
    return new FdtNode('', { next: 1 });
  }

  /** Adds a child; `name` includes its unit address. Throws where a sibling has that name. */
  child(name: string): FdtNode {
    if (this.children.some((node) => node.name === name))
      throw new Error(`device tree: two nodes are called ${name}`);
    const node = new FdtNode(name, this.handles);
    this.children.push(node);
    return node;
  }

  /** This node's phandle, given on first use. */
  get phandle(): number {
    if (this.handle === 0) {
      this.handle = this.handles.next++;
      this.cells('phandle', this.handle);
    }
    return this.handle;
  }

  /** 32-bit big-endian cells; a node's `reg` of 64-bit pairs is spelled with cells64(). */
  cells(name: string, ...values: readonly number[]): this {
    const bytes = new Uint8Array(4 * values.length);
    const view = new DataView(bytes.buffer);
    values.forEach((value, i) => {
      view.setUint32(4 * i, value);
    });
    return this.bytes(name, bytes);
  }

  /** `reg` under a parent of two address and two size cells. */
  reg(...ranges: readonly (readonly [base: number, size: number])[]): this {
    return this.cells('reg', ...ranges.flatMap(([base, size]) => [...cells64(base), ...cells64(size)]));
  }

  strings(name: string, ...values: readonly string[]): this {
    return this.bytes(name, new TextEncoder().encode(values.map((value) => `${value}\0`).join('')));
  }

  /** A property without a value, true by being there. */
  flag(name: string): this {
    return this.bytes(name, new Uint8Array(0));
  }

  bytes(name: string, value: Uint8Array): this {
    this.properties.set(name, value);
    return this;
  }
}

/** A range that the guest's memory allocator must not touch before it has read the tree. */
export interface MemoryReservation {
  readonly address: number;
  readonly size: number;
}

/** The blob that booting.rst wants at a multiple of 8. */
export function flattenTree(root: FdtNode, reservations: readonly MemoryReservation[] = []): Uint8Array {
  const names = collectNames(root);
  const structBytes = sizeOfNode(root) + 4;
  const reserveAt = HEADER_BYTES;
  const structAt = reserveAt + 16 * (reservations.length + 1);
  const namesAt = structAt + structBytes;
  const total = align4(namesAt + names.text.length);
  const blob = new Uint8Array(total);
  const view = new DataView(blob.buffer);
  const header = [MAGIC, total, structAt, namesAt, reserveAt, VERSION, LAST_COMPATIBLE_VERSION, 0];
  [...header, names.text.length, structBytes].forEach((word, i) => {
    view.setUint32(4 * i, word);
  });
  reservations.forEach(({ address, size }, i) => {
    view.setBigUint64(reserveAt + 16 * i, BigInt(address));
    view.setBigUint64(reserveAt + 16 * i + 8, BigInt(size));
  });
  const end = writeNode(root, view, blob, structAt, names.offsets);
  view.setUint32(end, END);
  for (let i = 0; i < names.text.length; i++) blob[namesAt + i] = names.text.charCodeAt(i);
  return blob;
}

function collectNames(root: FdtNode): { text: string; offsets: Map<string, number> } {
  const offsets = new Map<string, number>();
  let text = '';
  const visit = (node: FdtNode): void => {
    for (const name of node.properties.keys()) {
      if (offsets.has(name)) continue;
      offsets.set(name, text.length);
      text += `${name}\0`;
    }
    node.children.forEach(visit);
  };
  visit(root);
  return { text, offsets };
}

function sizeOfNode(node: FdtNode): number {
  let bytes = 8 + align4(node.name.length + 1);
  for (const value of node.properties.values()) bytes += 12 + align4(value.length);
  for (const child of node.children) bytes += sizeOfNode(child);
  return bytes;
}

function writeNode(
  node: FdtNode,
  view: DataView,
  blob: Uint8Array,
  start: number,
  names: Map<string, number>,
): number {
  let at = start;
  view.setUint32(at, BEGIN_NODE);
  blob.set(new TextEncoder().encode(node.name), at + 4);
  at += 4 + align4(node.name.length + 1);
  for (const [name, value] of node.properties) {
    view.setUint32(at, PROP);
    view.setUint32(at + 4, value.length);
    view.setUint32(at + 8, names.get(name) ?? 0);
    blob.set(value, at + 12);
    at += 12 + align4(value.length);
  }
  for (const child of node.children) at = writeNode(child, view, blob, at, names);
  view.setUint32(at, END_NODE);
  return at + 4;
}
