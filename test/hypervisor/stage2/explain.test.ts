import { describe, expect, it } from 'vitest';
import { History } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING } from '../../../src/hypervisor/slots/index.ts';
import { type Explanation, explain, formatExplanation } from '../../../src/hypervisor/stage2/index.ts';
import { at, beyondUpstream, PAGE, RAM, running, word } from './kit.ts';

const answer = ({ accesses }: Explanation, actor: string, operation: string): string => {
  const found = accesses.find((access) => access.actor === actor && access.operation === operation)!;
  return found.allowed ? `yes: ${found.rule}` : `no: ${found.rule}`;
};

describe('explain', () => {
  it('tells for a private page who may do what, by which rule', () => {
    const { vcpu, memory } = running({ protected: true });
    vcpu.store(at(1), 1n);
    const told = explain(memory, RAM + PAGE + 5);
    expect(told).toMatchObject({
      gpa: RAM + PAGE,
      owner: 'vm0',
      hostState: 'NOPAGE',
      guestState: 'OWNED',
      pins: 1,
    });
    expect(told.path[0]).toBe('gpa 0x40001000');
    expect(told.path[1]).toBe('slot 0');
    expect(answer(told, 'vcpu', 'execute')).toBe('yes: owner');
    expect(answer(told, 'migration', 'migrate')).toBe('yes: owner');
    for (const [actor, operation] of [
      ['vmm', 'read'],
      ['host-kernel', 'write'],
      ['device', 'dma'],
      ['assigned-device', 'map'],
      ['debugger', 'debug'],
    ]) {
      expect(answer(told, actor, operation)).toBe('no: sealed');
    }
    expect(answer(told, 'other-vm', 'read')).toBe('no: exclusive');
    expect(answer(told, 'device', 'execute')).toBe('no: unable');
  });

  it('is the decision that the machine takes: ports answer the same', () => {
    const { vcpu, memory, vmm, ram } = running({ protected: true });
    vcpu.store(at(0), 1n);
    vcpu.store(at(1), 1n);
    memory.shareWithHost(at(1), 0);
    for (const page of [0, 1, 2]) {
      const told = explain(memory, RAM + page * PAGE);
      const device = memory.devicePort(1).write(RAM + page * PAGE, word(1));
      const process = vmm.port.read(ram + page * PAGE, word(1));
      expect(answer(told, 'device', 'write').slice(0, 3)).toBe(device ? 'no:' : 'yes');
      expect(answer(told, 'vmm', 'read').slice(0, 3)).toBe(process ? 'no:' : 'yes');
      if (device) expect(answer(told, 'device', 'write')).toBe(`no: ${device.rule}`);
    }
    expect(answer(explain(memory, RAM + PAGE), 'vmm', 'read')).toBe('yes: borrowed');
  });

  it("lets the debugger in where the VM's owner says so", () => {
    const { vcpu, memory } = running({ protected: true, extensions: beyondUpstream({ debugPrivate: true }) });
    vcpu.store(at(0), 77n);
    const bytes = word(0);
    expect(memory.debuggerPort().read(RAM, bytes)).toBeUndefined();
    expect(bytes[0]).toBe(77);
    expect(answer(explain(memory, RAM), 'debugger', 'read')).toBe('yes: debug-policy');
    expect(answer(explain(memory, RAM), 'vmm', 'read')).toBe('no: sealed');
  });

  it('names the hole where nothing stands', () => {
    const { memory } = running();
    const told = explain(memory, 0x1000);
    expect(told.path).toEqual(['gpa 0x1000', 'no-slot']);
    expect(answer(told, 'vcpu', 'read')).toBe('no: unmapped');
  });

  it('prints a table, the rules it names, and the history of the frame', () => {
    const { vcpu, memory, host } = running({ protected: true, extensions: EVERYTHING });
    host.ledger.history = new History(100);
    vcpu.store(at(0), 1n);
    memory.shareWithHost(at(0), 0);
    const text = formatExplanation(explain(memory, RAM));
    expect(text).toContain('frame 0 of vm0; the host has SHARED_BORROWED, the guest SHARED_OWNED; pins 1');
    expect(text).toMatch(/^vcpu +yes +yes +yes +- +- +yes/m);
    expect(text).toContain("borrowed: the page is the guest's, which shares it with the host");
    expect(text).toContain('#1 host_donate_guest vm0 gfn 0x40000');
    expect(text).toContain('#2 guest_share_host vm0 gfn 0x40000');
  });
});
