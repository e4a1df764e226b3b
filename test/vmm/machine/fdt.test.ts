import { describe, expect, it } from 'vitest';
import { cells64, FdtNode, flattenTree } from '../../../src/vmm/machine/fdt.ts';
import { cellsOf, readFdt, textOf } from './read-fdt.ts';

describe('flattened device tree (Devicetree Specification 0.4, chapter 5)', () => {
  it('carries nodes and typed properties', () => {
    const root = FdtNode.root().strings('compatible', 'a,b', 'c');
    root
      .child('memory@80000000')
      .reg([0x8000_0000, 0x1_0000_0000])
      .flag('hotpluggable')
      .bytes('odd', new Uint8Array([7]));
    const read = readFdt(flattenTree(root));
    expect(textOf(read.properties.compatible)).toBe('a,b\0c\0');
    const memory = read.children['memory@80000000'].properties;
    expect(cellsOf(memory.reg)).toEqual([0, 0x8000_0000, 1, 0]);
    expect(memory.hotpluggable.length).toBe(0);
    expect([...memory.odd]).toEqual([7]);
  });

  it('has a header whose offsets and sizes agree (5.2)', () => {
    const root = FdtNode.root().cells('x', 1);
    const blob = flattenTree(root, [{ address: 0x4000_0000, size: 0x1000 }]);
    const words = cellsOf(blob.subarray(0, 40));
    expect(words[0]).toBe(0xd00dfeed);
    expect(words[1]).toBe(blob.length);
    expect(words.slice(4, 8)).toEqual([40, 17, 16, 0]);
    expect(words[2] % 4).toBe(0);
    expect(words[2] + words[9]).toBe(words[3]);
    expect(cellsOf(blob.subarray(40, 72))).toEqual([0, 0x4000_0000, 0, 0x1000, 0, 0, 0, 0]);
  });

  it('gives each referenced node one phandle', () => {
    const root = FdtNode.root();
    const clock = root.child('clock');
    root.child('user').cells('clocks', clock.phandle, clock.phandle);
    const other = root.child('other').phandle;
    expect(clock.phandle).not.toBe(other);
    const read = readFdt(flattenTree(root));
    expect(cellsOf(read.children.user.properties.clocks)).toEqual([clock.phandle, clock.phandle]);
    expect(cellsOf(read.children.clock.properties.phandle)).toEqual([clock.phandle]);
  });

  it('refuses two siblings of one name', () => {
    const root = FdtNode.root();
    root.child('a');
    expect(() => root.child('a')).toThrow('two nodes are called a');
  });

  it('splits 64-bit numbers into cells', () => {
    expect(cells64(0x80_1234_5678)).toEqual([0x80, 0x1234_5678]);
  });
});
