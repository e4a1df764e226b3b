import { describe, expect, it } from 'vitest';
import { BOARD_ROWS } from '../../../src/vmm/machine/board.ts';
import { type BoardTreeOptions, boardTree } from '../../../src/vmm/machine/device-tree.ts';
import { flattenTree } from '../../../src/vmm/machine/fdt.ts';
import { cellsOf, readFdt, textOf } from './read-fdt.ts';

const OPTIONS: BoardTreeOptions = { vcpus: 3, memoryBytes: 3 * 2 ** 30, gic: 3, conduit: 'hvc', pmu: false };

function read(options: Partial<BoardTreeOptions> = {}) {
  const tree = boardTree({ ...OPTIONS, ...options });
  for (const row of BOARD_ROWS) row.describe(tree, row);
  return readFdt(flattenTree(tree.root));
}

describe("the board's device tree", () => {
  it('names its CPUs and how to start them (arm,cpus.yaml)', () => {
    const { cpus } = read().children;
    for (let i = 0; i < 3; i++) {
      const { properties } = cpus.children[`cpu@${i}`];
      expect(cellsOf(properties.reg)).toEqual([i]);
      expect(textOf(properties['enable-method'])).toBe('psci\0');
    }
    expect(cpus.children['cpu@3']).toBeUndefined();
    expect(textOf(read({ conduit: 'smc' }).children.psci.properties.method)).toBe('smc\0');
  });

  it('has memory beyond 4 GiB in two cells', () => {
    const memory = read({ memoryBytes: 0x1_8000_0000 }).children['memory@40000000'];
    expect(cellsOf(memory.properties.reg)).toEqual([0, 0x4000_0000, 1, 0x8000_0000]);
  });

  it('has a GICv3 with its ITS, one redistributor a CPU (arm,gic-v3.yaml)', () => {
    const gic = read().children['intc@8000000'];
    expect(cellsOf(gic.properties.reg)).toEqual([0, 0x0800_0000, 0, 0x1_0000, 0, 0x080a_0000, 0, 0x6_0000]);
    expect(cellsOf(gic.children['its@8080000'].properties['#msi-cells'])).toEqual([1]);
  });

  it('has a GICv2 whose timer interrupts name the CPUs, and a v2m frame (arm,gic.yaml)', () => {
    const root = read({ gic: 2 });
    const v2m = root.children['intc@8000000'].children['v2m@8020000'];
    expect(cellsOf(v2m.properties['arm,msi-base-spi'])).toEqual([80]);
    const virtual = cellsOf(root.children.timer.properties.interrupts).slice(6, 9);
    expect(virtual).toEqual([1, 11, 0x704]);
  });

  it('has the timer interrupts secure, physical, virtual, hypervisor (arm,arch_timer.yaml)', () => {
    const timer = read().children.timer.properties;
    expect(cellsOf(timer.interrupts)).toEqual([1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]);
    expect(timer['always-on']).toBeDefined();
  });

  it('resolves every phandle that a device names', () => {
    const root = read();
    const clock = cellsOf(root.children['apb-pclk'].properties.phandle)[0];
    const gpio = cellsOf(root.children['pl061@9030000'].properties.phandle)[0];
    const gic = cellsOf(root.children['intc@8000000'].properties.phandle)[0];
    expect(cellsOf(root.children['pl011@9000000'].properties.clocks)).toEqual([clock, clock]);
    expect(cellsOf(root.children['gpio-keys'].children.poweroff.properties.gpios)).toEqual([gpio, 3, 0]);
    expect(cellsOf(root.properties['interrupt-parent'])).toEqual([gic]);
  });
});
