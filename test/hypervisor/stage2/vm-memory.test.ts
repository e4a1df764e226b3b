import { describe, expect, it } from 'vitest';
import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  PhysicalMemory,
  STAGE2_ABORT,
  STAGE2_BEYOND,
  STAGE2_EXIT,
  STAGE2_MEMORY,
  STAGE2_MMIO,
  STAGE2_SIZE_FAULT,
  type Stage2Page,
} from '../../../src/hardware/index.ts';
import { Host } from '../../../src/hypervisor/slots/index.ts';
import { VmMemory } from '../../../src/hypervisor/stage2/index.ts';
import { gpa, hostOffset, PAGE_SIZE } from '../../../src/lib/index.ts';

const RAM = 0x4000_0000;

function setup(frames = 256, slotPages = 16) {
  const host = new Host(new PhysicalMemory({ frames, systemBytes: 65536 }));
  const vmm = host.createAddressSpace();
  const memory = new VmMemory(host, vmm);
  const hva = vmm.mmapAnonymous(slotPages * PAGE_SIZE);
  memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: slotPages * PAGE_SIZE, hva });
  const out: Stage2Page = { frame: hostOffset(0), writable: false, executable: false, tagged: false };
  const stage2 = memory.createVcpuStage2(0);
  return { host, vmm, memory, hva, stage2, out };
}

describe('stage 2 of an ordinary VM', () => {
  it('brings a zeroed frame on first touch and the same one afterwards', () => {
    const { host, stage2, out } = setup();
    const free = host.freeFrames;
    expect(stage2.translate(gpa(RAM), ACCESS_WRITE, false, out)).toBe(STAGE2_MEMORY);
    expect(out.writable).toBe(true);
    const { frame } = out;
    expect(host.memory.u8.subarray(frame, frame + PAGE_SIZE).every((byte) => byte === 0)).toBe(true);
    expect(stage2.translate(gpa(RAM), ACCESS_READ, false, out)).toBe(STAGE2_MEMORY);
    expect(out.frame).toBe(frame);
    expect(host.freeFrames).toBe(free - 1);
  });

  it('shows the VMM, a device and the guest the same bytes', () => {
    const { memory, vmm, hva, stage2, out, host } = setup();
    const port = memory.devicePort(8);
    const bytes = Uint8Array.from({ length: 3 * PAGE_SIZE }, (_, n) => n * 7);
    expect(vmm.port.write(hva + 100, bytes)).toBeUndefined();
    const back = new Uint8Array(bytes.length);
    expect(port.read(RAM + 100, back)).toBeUndefined();
    expect(back).toEqual(bytes);
    expect(stage2.translate(gpa(RAM + PAGE_SIZE), ACCESS_READ, false, out)).toBe(STAGE2_MEMORY);
    expect(host.memory.u8[out.frame]).toBe(bytes[PAGE_SIZE - 100]);
  });

  it('leaves what no slot covers to the VMM, and faults where nothing can be', () => {
    const { stage2, out } = setup();
    expect(stage2.translate(gpa(0x1000), ACCESS_READ, false, out)).toBe(STAGE2_MMIO);
    expect(stage2.translate(gpa(0x1000), ACCESS_EXECUTE, false, out)).toBe(STAGE2_ABORT);
    expect(stage2.translate(gpa(0x1000), ACCESS_READ, true, out)).toBe(STAGE2_ABORT);
    expect(stage2.translate(gpa(2 ** 41), ACCESS_READ, false, out)).toBe(STAGE2_BEYOND);
    expect(stage2.translate(gpa(2 ** 52), ACCESS_READ, false, out)).toBe(STAGE2_SIZE_FAULT);
  });

  it('moves nothing of a range that is refused at its end', () => {
    const { memory } = setup(64, 2);
    const port = memory.devicePort(8);
    const refused = port.write(RAM + PAGE_SIZE, new Uint8Array(2 * PAGE_SIZE).fill(1));
    expect(refused).toMatchObject({ rule: 'unmapped', address: RAM + 2 * PAGE_SIZE });
    const back = new Uint8Array(PAGE_SIZE);
    expect(port.read(RAM + PAGE_SIZE, back)).toBeUndefined();
    expect(back.every((byte) => byte === 0)).toBe(true);
  });

  it('tells the TLBs which frame went when the process drops a page', () => {
    const { memory, vmm, hva, stage2, out, host } = setup();
    const dropped: number[] = [];
    memory.addTlb({ dropFrame: (frame) => dropped.push(frame), dropAll: () => dropped.push(-1) });
    stage2.translate(gpa(RAM), ACCESS_WRITE, false, out);
    const { frame } = out;
    host.memory.u8[frame] = 9;
    vmm.madviseDontneed(hva, PAGE_SIZE);
    expect(dropped).toEqual([frame]);
    stage2.translate(gpa(RAM), ACCESS_READ, false, out);
    expect(host.memory.u8[out.frame]).toBe(0);
  });

  it('gives every frame back when it is destroyed, and its ports refuse', () => {
    const { memory, vmm, stage2, out, host } = setup();
    const port = memory.devicePort(8);
    for (let n = 0; n < 16; n++) stage2.translate(gpa(RAM + n * PAGE_SIZE), ACCESS_WRITE, false, out);
    memory.destroy();
    expect(port.read(RAM, new Uint8Array(8))).toMatchObject({ rule: 'unmapped' });
    vmm.destroy();
    expect(host.freeFrames).toBe(256);
    expect(() => memory.createGuestMemfd(4096)).toThrow('EIO');
  });

  it('stops with ENOMEM as an exit where the host has no frame left', () => {
    const { stage2, out } = setup(4, 16);
    for (let n = 0; n < 4; n++)
      expect(stage2.translate(gpa(RAM + n * PAGE_SIZE), ACCESS_WRITE, false, out)).toBe(STAGE2_MEMORY);
    expect(stage2.translate(gpa(RAM + 4 * PAGE_SIZE), ACCESS_WRITE, false, out)).toBe(STAGE2_EXIT);
    expect(stage2.takeExit()).toEqual({ reason: 'error', errno: 'EFAULT' });
  });
});
