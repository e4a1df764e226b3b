// A flattened device tree reader for tests, written from the specification alone (Devicetree 0.4, 5.4).

export interface ReadNode {
  readonly properties: Record<string, Uint8Array>;
  readonly children: Record<string, ReadNode>;
}

export function readFdt(blob: Uint8Array): ReadNode {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const structAt = view.getUint32(8);
  const namesAt = view.getUint32(12);
  const text = (at: number): string => {
    let end = at;
    while (blob[end] !== 0) end++;
    return new TextDecoder().decode(blob.subarray(at, end));
  };
  let at = structAt;
  const node = (): ReadNode => {
    const properties: Record<string, Uint8Array> = {};
    const children: Record<string, ReadNode> = {};
    for (;;) {
      const token = view.getUint32(at);
      at += 4;
      if (token === 1) {
        const name = text(at);
        at = (at + name.length + 1 + 3) & ~3;
        children[name] = node();
      } else if (token === 3) {
        const length = view.getUint32(at);
        properties[text(namesAt + view.getUint32(at + 4))] = blob.slice(at + 8, at + 8 + length);
        at = (at + 8 + length + 3) & ~3;
      } else if (token === 2) {
        return { properties, children };
      } else {
        throw new Error(`token ${token} at ${at - 4}`);
      }
    }
  };
  if (view.getUint32(0) !== 0xd00dfeed || view.getUint32(at) !== 1) throw new Error('no device tree');
  at += 8;
  const root = node();
  if (view.getUint32(at) !== 9) throw new Error('no end token');
  return root;
}

export const cellsOf = (property: Uint8Array): number[] => {
  const view = new DataView(property.buffer, property.byteOffset, property.byteLength);
  return Array.from({ length: property.length / 4 }, (_, i) => view.getUint32(4 * i));
};

export const textOf = (property: Uint8Array): string => new TextDecoder().decode(property);
