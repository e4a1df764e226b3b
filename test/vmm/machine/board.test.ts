import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/lib/index.ts';
import { type IommuOptions, memoryBlock, VirtioBlk, VirtioRng } from '../../../src/vmm/devices/index.ts';
import { BOARD_ROWS, Board, type BoardBackends } from '../../../src/vmm/machine/board.ts';
import { boardTree } from '../../../src/vmm/machine/device-tree.ts';
import { flattenTree } from '../../../src/vmm/machine/fdt.ts';
import { PCI_ECAM, VIRTIO_MMIO } from '../../../src/vmm/machine/memory-map.ts';
import { type VirtioSlot, virtioRows } from '../../../src/vmm/machine/virtio-rows.ts';
import { TestClock, TestSerial } from '../devices/wires.ts';
import { cellsOf, readFdt } from './read-fdt.ts';

const disk: VirtioSlot = {
  create: (env) => new VirtioBlk({ backend: memoryBlock(new Uint8Array(4096)) }, env),
};
const rng: VirtioSlot = { create: (env) => new VirtioRng({}, env), transport: 'mmio' };

function makeBoard(slots: readonly VirtioSlot[], iommu?: IommuOptions) {
  const requesters: number[] = [];
  let wakes = 0;
  const backends: BoardBackends = {
    clock: new TestClock(),
    log: silentLog,
    irq: () => ({ set: () => {} }),
    msi: { send: () => {} },
    dma: (requesterId) => {
      requesters.push(requesterId);
      return { read: () => undefined, write: () => undefined };
    },
    random: (into) => into.fill(4),
    serial: new TestSerial(),
    wake: () => wakes++,
  };
  const rows = [...BOARD_ROWS, ...virtioRows(slots, iommu)];
  return { board: new Board(rows, backends), rows, requesters, wakes: () => wakes };
}

const configOf = (slot: number): number => PCI_ECAM.base + (slot << 15);

describe('virtio devices on the board', () => {
  it('are PCI functions from slot 1 on, with their requester ids', () => {
    const { board, requesters } = makeBoard([disk, disk]);
    expect(board.bus.read(configOf(0), 4)).toBe(0x0008_1b36n);
    expect(board.bus.read(configOf(1), 4)).toBe(0x1042_1af4n);
    expect(board.bus.read(configOf(2), 4)).toBe(0x1042_1af4n);
    expect(board.bus.read(configOf(3), 4)).toBe(0xffff_ffffn);
    expect(requesters).toEqual([1 << 3, 2 << 3]);
  });

  it('or virtio-mmio slots, of which only those in use are described', () => {
    const { board, rows } = makeBoard([rng, disk, rng]);
    expect(board.bus.read(VIRTIO_MMIO.base, 4)).toBe(0x7472_6976n);
    expect(board.bus.read(VIRTIO_MMIO.base + 0x200 + 8, 4)).toBe(4n);
    const tree = boardTree({ vcpus: 1, memoryBytes: 1 << 30, gic: 3, conduit: 'hvc', pmu: false });
    for (const row of rows) row.describe(tree, row);
    const root = readFdt(flattenTree(tree.root));
    const slots = Object.keys(root.children).filter((name) => name.startsWith('virtio_mmio'));
    expect(slots).toEqual(['virtio_mmio@a000000', 'virtio_mmio@a000200']);
    expect(cellsOf(root.children[slots[1]].properties.interrupts)).toEqual([0, 17, 4]);
  });

  it('are refused where there are too many', () => {
    expect(() => virtioRows(Array(31).fill(disk))).toThrow('the board has room for 30 on PCI');
    expect(() => virtioRows(Array(33).fill(rng))).toThrow('32 on MMIO');
  });
});

describe('the PCI host in the device tree (host-generic-pci.yaml)', () => {
  const tree = boardTree({ vcpus: 1, memoryBytes: 1 << 30, gic: 3, conduit: 'hvc', pmu: false });
  for (const row of virtioRows([])) row.describe(tree, row);
  const root = readFdt(flattenTree(tree.root));
  const { properties } = root.children['pcie@10000000'];

  it('maps pin p of slot n to SPI 3 + (n + p) mod 4', () => {
    const gic = cellsOf(root.children['intc@8000000'].properties.phandle)[0];
    const map = cellsOf(properties['interrupt-map']);
    expect(map.length).toBe(16 * 10);
    expect(map.slice(0, 10)).toEqual([0, 0, 0, 1, gic, 0, 0, 0, 3, 4]);
    expect(map.slice(70, 80)).toEqual([1 << 11, 0, 0, 4, gic, 0, 0, 0, 3, 4]);
  });

  it('has windows for ports, 32-bit and 64-bit memory', () => {
    expect(cellsOf(properties.ranges)).toEqual([
      ...[0x0100_0000, 0, 0, 0, 0x3eff_0000, 0, 0x1_0000],
      ...[0x0200_0000, 0, 0x1000_0000, 0, 0x1000_0000, 0, 0x2eff_0000],
      ...[0x0300_0000, 0x80, 0, 0x80, 0, 0, 0x8000_0000],
    ]);
  });

  it('sends messages of all functions to the ITS', () => {
    const its = cellsOf(root.children['intc@8000000'].children['its@8080000'].properties.phandle)[0];
    expect(cellsOf(properties['msi-map'])).toEqual([0, its, 0, 0x1_0000]);
  });
});

describe('a virtio-iommu on the board', () => {
  const rows = virtioRows([disk], {});
  const tree = boardTree({ vcpus: 1, memoryBytes: 1 << 30, gic: 3, conduit: 'hvc', pmu: false });
  for (const row of rows) row.describe(tree, row);
  const bridge = readFdt(flattenTree(tree.root)).children['pcie@10000000'];

  it('stands in slot 1, before the functions behind it', () => {
    const { board, requesters } = makeBoard([disk], {});
    expect(board.bus.read(configOf(1), 4)).toBe(0x1057_1af4n);
    expect(board.bus.read(configOf(2), 4)).toBe(0x1042_1af4n);
    expect(requesters).toEqual([1 << 3, 2 << 3]);
  });

  it('translates for the functions behind it only (pci-iommu.yaml)', () => {
    const iommu = bridge.children['iommu@1,0'];
    const handle = cellsOf(iommu.properties.phandle)[0];
    expect(cellsOf(iommu.properties.reg)).toEqual([8 << 8, 0, 0, 0, 0]);
    expect(cellsOf(bridge.properties['iommu-map'])).toEqual([16, handle, 16, 0xfff0]);
  });

  it('keeps its state with the board', () => {
    const saved = makeBoard([disk], {}).board.save();
    expect(Object.keys(saved)).toContain('pci-1');
    expect(() => makeBoard([disk], {}).board.restore(saved)).not.toThrow();
    expect(() => makeBoard([disk]).board.restore(saved)).toThrow('EINVAL');
  });
});

describe('the state of a board', () => {
  it('is the same after a restore on another board of the same rows', () => {
    const one = makeBoard([disk, rng]).board;
    one.bus.write(0x0900_0030, 4, 0x301n);
    one.bus.write(configOf(1) + 4, 2, 6n);
    one.pressPowerButton();
    const saved = JSON.parse(JSON.stringify(one.save()));
    const two = makeBoard([disk, rng]).board;
    two.restore(saved);
    expect(two.save()).toEqual(saved);
    expect(two.bus.read(configOf(1) + 4, 2)).toBe(6n);
  });

  it('is refused by a board with other devices', () => {
    const saved = makeBoard([disk]).board.save();
    expect(() => makeBoard([]).board.restore(saved)).toThrow('the saved machine has a pci-1');
    expect(() => makeBoard([disk, disk]).board.restore(saved)).toThrow('EINVAL');
  });
});

describe('work that a device puts off', () => {
  it('is done at the next poll and wakes the machine', () => {
    const done: string[] = [];
    let defer: ((job: () => void) => void) | undefined;
    const slot: VirtioSlot = {
      create: (env) => {
        defer = env.defer;
        return new VirtioRng({}, env);
      },
    };
    const { board, wakes } = makeBoard([slot]);
    defer?.(() => {
      done.push('first');
      defer?.(() => done.push('second'));
    });
    expect(wakes()).toBe(1);
    expect(done).toEqual([]);
    board.poll();
    expect(done).toEqual(['first']);
    board.poll();
    expect(done).toEqual(['first', 'second']);
  });
});
