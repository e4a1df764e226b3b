import { describe, expect, it } from 'vitest';
import { Machine } from '../../../src/vmm/machine/machine.ts';
import { GPIO, RAM_BASE, UART } from '../../../src/vmm/machine/memory-map.ts';
import type { MachineOptions } from '../../../src/vmm/machine/options.ts';
import { event, FakeHypervisor, load, print, type Script, store, tinyImage, wfi } from './fake-vm.ts';
import { cellsOf, readFdt, textOf } from './read-fdt.ts';

const DR = UART.base;
const FR = UART.base + 0x18;
const IMSC = UART.base + 0x38;
const CR = UART.base + 0x30;

async function make(script: Script | Script[], options: Partial<MachineOptions> = {}) {
  const hypervisor = new FakeHypervisor(...[script].flat());
  const machine = await Machine.create(
    { kernel: tinyImage(), memory: '16M', ...options },
    hypervisor.prepare,
  );
  let text = '';
  machine.console.onOutput((bytes) => {
    text += new TextDecoder().decode(bytes);
    return undefined;
  });
  return { machine, hypervisor, text: () => text };
}

const forever: Script = function* () {
  for (;;) yield { run: 1000 };
};

describe('a machine at power-on (booting.rst, section 4)', () => {
  it('has the kernel, the initrd and the device tree in memory, and points x0 at the tree', async () => {
    const initrd = new Uint8Array([9, 8, 7]);
    const { hypervisor } = await make(forever, { initrd, append: 'quiet' });
    const [vm] = hypervisor.vms;
    const { registers } = vm.vcpus[0];
    expect(registers).toMatchObject({ pc: BigInt(RAM_BASE), x1: 0n, x2: 0n, x3: 0n });
    expect([...vm.ram.subarray(56, 60)]).toEqual([0x41, 0x52, 0x4d, 0x64]);
    const tree = readFdt(vm.ram.subarray(Number(registers.x0) - RAM_BASE));
    const chosen = tree.children.chosen.properties;
    expect(textOf(chosen.bootargs)).toBe('quiet\0');
    const start = cellsOf(chosen['linux,initrd-start'])[1];
    const end = cellsOf(chosen['linux,initrd-end'])[1];
    expect([...vm.ram.subarray(start - RAM_BASE, end - RAM_BASE)]).toEqual([9, 8, 7]);
    expect(cellsOf(tree.children['memory@40000000'].properties.reg)).toEqual([0, RAM_BASE, 0, 16 << 20]);
  });

  it('is the same every time with the virtual clock', async () => {
    const rams = [];
    for (let i = 0; i < 2; i++) rams.push((await make(forever)).hypervisor.vms[0].ram);
    expect(Buffer.compare(rams[0], rams[1])).toBe(0);
  });

  it('tells a pKVM guest of its DMA pool and a realm of its conduit', async () => {
    const treeOf = async (protect: 'pkvm' | 'realm') => {
      const { hypervisor } = await make(forever, { protect, memory: '64M' });
      const [vm] = hypervisor.vms;
      expect(vm.config.protect).toBe(protect);
      return readFdt(vm.ram.subarray(Number(vm.vcpus[0].registers.x0) - RAM_BASE));
    };
    const pkvm = await treeOf('pkvm');
    const [name, pool] = Object.entries(pkvm.children['reserved-memory'].children)[0];
    expect(name).toBe('restricted-dma@43800000');
    expect(cellsOf(pool.properties.reg)).toEqual([0, 0x4380_0000, 0, 8 << 20]);
    expect(pkvm.children['pcie@10000000'].properties['memory-region']).toEqual(pool.properties.phandle);
    const realm = await treeOf('realm');
    expect(textOf(realm.children.psci.properties.method)).toBe('smc\0');
    expect(realm.children['reserved-memory']).toBeUndefined();
  });

  it('refuses options that make no machine', async () => {
    for (const memory of ['5T', '0', '3M', 'much', 4 << 30]) {
      await expect(make(forever, { memory })).rejects.toThrow(/memory .*write for example/);
    }
    await expect(make(forever, { smp: 9 })).rejects.toThrow('smp 9');
  });
});

describe('a run', () => {
  it('ends with status 0 when the guest powers off', async () => {
    const { machine, text } = await make(function* () {
      yield* print('bye\n');
      yield event('shutdown');
    });
    expect(await machine.run()).toMatchObject({ reason: 'poweroff', status: 0 });
    expect(text()).toBe('bye\n');
    expect(machine.state).toBe('ended');
  });

  it('gives each load the value of its device', async () => {
    let flags = 0n;
    let id = 0n;
    const { machine } = await make(function* (cpu) {
      yield load(FR);
      flags = cpu.loaded;
      yield load(UART.base + 0xfe0, 8);
      id = cpu.loaded;
      yield event('shutdown');
    });
    await machine.run();
    expect(flags).toBe(0x97n);
    expect(id).toBe(0x10_0000_0011n);
  });

  it('takes typed input by interrupt while the guest waits', async () => {
    let got = '';
    const { machine } = await make(function* (cpu) {
      yield store(CR, 0x301);
      yield store(IMSC, 0x50);
      while (!got.endsWith('\n')) {
        yield wfi;
        yield load(DR);
        got += String.fromCharCode(Number(cpu.loaded));
      }
      yield event('shutdown');
    });
    const end = machine.run();
    setTimeout(() => machine.console.write('hi\n'), 5);
    expect(await end).toMatchObject({ status: 0 });
    expect(got).toBe('hi\n');
  });

  it('holds a dialogue that is the same every time with the virtual clock', async () => {
    const times = [];
    for (let i = 0; i < 2; i++) {
      let got = '';
      const { machine } = await make(function* (cpu) {
        yield store(CR, 0x301);
        yield* print('name? ');
        while (!got.endsWith('\n')) {
          yield { run: 500_000 };
          yield load(FR);
          if (cpu.loaded & 0x10n) continue;
          yield load(DR);
          got += String.fromCharCode(Number(cpu.loaded));
        }
        yield* print(`hello ${got}`);
        yield event('shutdown');
      });
      const reader = machine.console.reader();
      const end = machine.run();
      expect(await reader.until('? ')).toBe('name? ');
      machine.console.write('you\n');
      expect(await reader.until('you')).toBe('hello you');
      await expect(reader.until('never')).rejects.toThrow('the machine ended before it printed "never"');
      expect(reader.rest).toBe('\n');
      await end;
      times.push(machine.stats().instructions);
    }
    expect(times[0]).toBe(times[1]);
  });

  it('skips waiting time with the virtual clock', async () => {
    const { machine, hypervisor } = await make(function* (cpu) {
      cpu.timer = 3600e9;
      yield wfi;
      yield event('shutdown');
    });
    await machine.run();
    expect(machine.stats().guestSeconds).toBeCloseTo(3600, 3);
    expect(machine.stats().wallSeconds).toBeLessThan(10);
    expect(hypervisor.vms[0].vcpus[0].instructions).toBe(2);
  });

  it('sleeps through waiting time with the host clock', async () => {
    const { machine } = await make(
      function* (cpu) {
        cpu.timer = 30e6;
        yield wfi;
        yield event('shutdown');
      },
      { clock: 'host' },
    );
    await machine.run();
    expect(machine.stats().wallSeconds).toBeGreaterThan(0.025);
  });

  it('shares its time among vCPUs in fixed budgets', async () => {
    const { machine, hypervisor } = await make(
      [
        function* () {
          yield { run: 1_000_000 };
          yield event('shutdown');
        },
        forever,
      ],
      { smp: 2 },
    );
    await machine.run();
    const [first, second] = hypervisor.vms[0].vcpus;
    expect(first.instructions).toBe(1_000_001);
    expect(second.instructions).toBe(1_000_000);
  });

  it('lets a listener hold the machine back', async () => {
    const { machine } = await make(function* () {
      yield* print('a\n');
      yield { run: 3_000_000 };
      yield event('shutdown');
    });
    let release = () => {};
    machine.console.onOutput(() => new Promise<void>((resolve) => (release = resolve)));
    let ended = false;
    const end = machine.run().then(() => (ended = true));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(ended).toBe(false);
    release();
    await end;
  });

  it('counts instructions and exits', async () => {
    const { machine } = await make(function* () {
      yield { run: 10 };
      yield load(FR);
      yield event('shutdown');
    });
    await machine.run();
    expect(machine.stats()).toMatchObject({ instructions: 12, exits: { mmio: 1, 'system-event': 1 } });
  });
});

describe('crashes', () => {
  const panic = function* () {
    yield* print('[    1.0] Kernel panic - not syncing: VFS: no root\r\n');
    yield* print('[    1.1] ---[ end Kernel panic - not syncing: VFS: no root ]---\r\n');
  };

  it('a kernel that panics and spins ends with status 3 and its reason', async () => {
    const { machine } = await make(function* (cpu) {
      yield* panic();
      yield* forever(cpu);
    });
    expect(await machine.run()).toEqual({
      reason: 'crash',
      status: 3,
      message: 'Kernel panic - not syncing: VFS: no root',
    });
  });

  it('a kernel that panics and resets does too', async () => {
    const { machine, hypervisor } = await make(function* () {
      yield* print('Kernel panic - not syncing: oops\n');
      yield event('reset');
    });
    expect(await machine.run()).toMatchObject({ status: 3, message: 'Kernel panic - not syncing: oops' });
    expect(hypervisor.vms.length).toBe(1);
  });

  it('a system that only shows such text goes on', async () => {
    const { machine } = await make(function* (cpu) {
      yield* panic();
      cpu.timer = 1e6;
      yield wfi;
      yield { run: 300_000_000 };
      yield event('shutdown');
    });
    expect(await machine.run()).toMatchObject({ status: 0 });
  });

  it('a guest that does nothing but reset is a crash', async () => {
    const { machine, hypervisor } = await make(function* () {
      yield event('reset');
    });
    expect(await machine.run()).toMatchObject({
      status: 3,
      message: expect.stringContaining('5 times in a row'),
    });
    expect(hypervisor.vms.length).toBe(5);
  });

  it('a guest whose CPUs all wait for nothing is a crash once input has ended', async () => {
    const { machine } = await make(function* () {
      yield wfi;
    });
    const end = machine.run();
    machine.console.endInput();
    expect(await end).toMatchObject({ status: 3, message: expect.stringContaining('cannot come') });
  });

  it('a guest whose CPUs are all off is a crash', async () => {
    const { machine } = await make(function* (cpu) {
      cpu.poweredOn = false;
      yield wfi;
    });
    expect(await machine.run()).toMatchObject({ status: 3 });
  });

  it('a halted kernel ends with status 0', async () => {
    const { machine } = await make(function* (cpu) {
      yield* print('[  3.0] reboot: System halted\n');
      yield* forever(cpu);
    });
    expect(await machine.run()).toMatchObject({ reason: 'halt', status: 0 });
  });

  it('a failing hypervisor is not the guest: status 1', async () => {
    const { machine } = await make(function* () {
      yield { run: 1, exit: { reason: 'error', errno: 'EIO' } };
    });
    expect(await machine.run()).toMatchObject({ reason: 'failure', status: 1 });
  });
});

describe('control', () => {
  it('reset starts the kernel anew in a fresh VM', async () => {
    let boots = 0;
    const { machine, hypervisor, text } = await make(function* () {
      boots++;
      yield* print(`boot ${boots}\n`);
      yield event(boots < 3 ? 'reset' : 'shutdown');
    });
    const causes: string[] = [];
    machine.on('reset', ({ cause }) => causes.push(cause));
    expect(await machine.run()).toMatchObject({ status: 0 });
    expect(text()).toBe('boot 1\nboot 2\nboot 3\n');
    expect(causes).toEqual(['guest', 'guest']);
    expect(machine.stats().counters).toEqual({ tlbMisses: 3 });
    expect(machine.stats().exits['system-event']).toBe(3);
    expect(hypervisor.vms.map((vm) => vm.disposed)).toEqual([true, true, false]);
    expect(hypervisor.vms.every((vm) => vm.ram[56] === 0x41)).toBe(true);
  });

  it('can end at a reset instead', async () => {
    const { machine } = await make(
      function* () {
        yield event('reset');
      },
      { onReset: 'exit' },
    );
    expect(await machine.run()).toMatchObject({ reason: 'reset', status: 0 });
  });

  it('pauses between instructions and goes on', async () => {
    const { machine, hypervisor } = await make(forever);
    const states: string[] = [];
    machine.on('state', (state) => states.push(state));
    const end = machine.run();
    await machine.pause();
    const { instructions } = hypervisor.vms[0].vcpus[0];
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(hypervisor.vms[0].vcpus[0].instructions).toBe(instructions);
    machine.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(hypervisor.vms[0].vcpus[0].instructions).toBeGreaterThan(instructions);
    machine.quit();
    expect(await end).toMatchObject({ reason: 'quit', status: 0 });
    expect(states).toEqual(['running', 'paused', 'running', 'ended']);
  });

  it('resets while paused', async () => {
    const { machine, hypervisor } = await make(forever);
    machine.run();
    await machine.pause();
    machine.reset();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(machine.state).toBe('paused');
    expect(hypervisor.vms.length).toBe(2);
    machine.dispose();
  });

  it('shows a press of the power button on GPIO line 3', async () => {
    const levels: bigint[] = [];
    const { machine } = await make(function* (cpu) {
      yield store(GPIO.base + 0x40c, 8);
      yield store(GPIO.base + 0x410, 8);
      yield* print('ready');
      yield wfi;
      yield load(GPIO.base + (8 << 2));
      levels.push(cpu.loaded);
      yield { run: 200_000_000 };
      yield load(GPIO.base + (8 << 2));
      levels.push(cpu.loaded);
      yield event('shutdown');
    });
    const reader = machine.console.reader();
    const end = machine.run();
    await reader.until('ready');
    machine.powerdown();
    expect(await end).toMatchObject({ status: 0 });
    expect(levels).toEqual([8n, 0n]);
  });

  it('lets go of everything when disposed', async () => {
    const { machine, hypervisor } = await make(forever);
    const end = machine.run();
    machine.dispose();
    await end;
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(hypervisor.vms[0].disposed).toBe(true);
  });
});
