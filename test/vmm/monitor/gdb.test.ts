import { describe, expect, it } from 'vitest';
import type { GuestDebug } from '../../../src/hypervisor/index.ts';
import { Errno } from '../../../src/lib/index.ts';
import type { MachineEvents, MachineState } from '../../../src/vmm/index.ts';
import { Emitter } from '../../../src/vmm/machine/emitter.ts';
import type { MachineDebugger, VcpuDebug } from '../../../src/vmm/machine/index.ts';
import { type GdbMachine, GdbSession } from '../../../src/vmm/monitor/gdb/index.ts';
import {
  bytesOf,
  escapeBinary,
  frame,
  latin1,
  PACKET_SIZE,
  PacketReader,
  unescapeBinary,
} from '../../../src/vmm/monitor/gdb/packets.ts';

/** Memory from 0x1000 to 0x2000, the second half of which is the guest's alone. */
class FakeVcpu implements VcpuDebug {
  poweredOn = true;
  held = false;
  debug: GuestDebug | undefined;
  readonly registers = new Map<string, bigint>();
  readonly memory = new Uint8Array(0x1000);
  readonly tags = new Uint8Array(0x100);

  readRegister(name: string): bigint {
    return this.registers.get(name) ?? 0n;
  }
  writeRegister(name: string, value: bigint): void {
    if (name === 'cpsr' && value === 0n) throw new Errno('EINVAL', 'no such mode');
    this.registers.set(name, value);
  }
  readVirtual(address: bigint, into: Uint8Array): ReturnType<VcpuDebug['readVirtual']> {
    const refusal = this.refuse(address);
    if (refusal) return refusal;
    const from = Number(address) - 0x1000;
    const bytes = this.memory.subarray(from, Math.min(from + into.length, 0x800));
    into.set(bytes);
    return bytes.length;
  }
  writeVirtual(address: bigint, from: Uint8Array): ReturnType<VcpuDebug['writeVirtual']> {
    const refusal = this.refuse(address + BigInt(from.length) - 1n);
    if (!refusal) this.memory.set(from, Number(address) - 0x1000);
    return refusal;
  }
  private refuse(address: bigint) {
    const rule = address < 0x1000n || address >= 0x2000n ? 'unmapped' : address >= 0x1800n ? 'sealed' : '';
    return rule === '' ? undefined : { rule, reason: '', address: Number(address) };
  }
  isTagged(address: bigint): boolean {
    return address < 0x1800n;
  }
  readTags(address: bigint, length: number): Uint8Array | undefined {
    return this.isTagged(address) ? this.tags.slice(0, length / 16) : undefined;
  }
  writeTags(address: bigint, _length: number, tags: Uint8Array): boolean {
    this.tags.set(tags);
    return this.isTagged(address);
  }
  setDebug(debug: GuestDebug): void {
    this.debug = debug;
  }
  hold(held: boolean): void {
    this.held = held;
  }
}

class FakeMachine implements GdbMachine {
  state: MachineState = 'running';
  readonly calls: string[] = [];
  readonly emitter = new Emitter<MachineEvents>();
  isOpen = true;
  hasMte = true;
  vcpus = [new FakeVcpu(), new FakeVcpu()];

  on: GdbMachine['on'] = (event, listener) => this.emitter.on(event, listener);

  get debugger(): MachineDebugger {
    return this;
  }
  set(state: MachineState): void {
    if (this.state === state) return;
    this.state = state;
    this.emitter.emit('state', state);
  }
  async pause(): Promise<void> {
    if (this.state === 'running') this.set('paused');
  }
  resume(): void {
    this.calls.push('resume');
    this.set('running');
  }
  reset(): void {
    this.vcpus = [new FakeVcpu(), new FakeVcpu()];
    this.emitter.emit('reset', { cause: 'host' });
  }
  quit(): void {
    this.calls.push('quit');
  }
  stretches(): never[] {
    return [];
  }
  readPhysical(): undefined {}
  readPhysicalTags(): void {}
  explain(address: number): never {
    throw new RangeError(`${address} is no guest-physical address`);
  }
  expectEvents(): { dispose(): void } {
    return { dispose() {} };
  }
  hit(vcpu: number, kind: 'breakpoint' | 'watchpoint' | 'step', address: bigint): void {
    this.emitter.emit('debug', { vcpu, exit: { reason: 'debug', kind, address } });
    this.set('paused');
  }
}

function attach(machine = new FakeMachine()) {
  let sent = '';
  const session = new GdbSession(machine, (bytes) => {
    sent += latin1(bytes);
  });
  const take = (): string => {
    const text = sent;
    sent = '';
    return text;
  };
  session.receive(frame('QStartNoAckMode'));
  take();
  /** The payload of the only reply, or undefined. */
  const ask = (payload: string): string | undefined => {
    session.receive(frame(payload));
    return reply();
  };
  const reply = (): string | undefined => /^\$([^#]*)#[0-9a-f]{2}$/.exec(take())?.[1];
  return { machine, session, ask, reply, take };
}

describe('packets (GDB manual, E.1)', () => {
  const read = (text: string) => new PacketReader().push(bytesOf(text));

  it('have a checksum', () => {
    expect(latin1(frame('OK'))).toBe('$OK#9a');
    expect(read('$OK#9a')).toEqual([{ kind: 'packet', payload: 'OK' }]);
    expect(read('$OK#9b')).toEqual([{ kind: 'damaged' }]);
    expect(read('$OK#9g')).toEqual([{ kind: 'damaged' }]);
  });

  it('come in any pieces, with noise, acknowledgements and interrupts between them', () => {
    const reader = new PacketReader();
    const found = [...'x+\x03$g#67-$?#3f'].flatMap((c) => reader.push(bytesOf(c)));
    expect(found).toEqual([
      { kind: 'interrupt' },
      { kind: 'packet', payload: 'g' },
      { kind: 'resend' },
      { kind: 'packet', payload: '?' },
    ]);
  });

  it('that are too long are refused, and the next one counts again', () => {
    const long = latin1(frame('m'.repeat(PACKET_SIZE + 1)));
    expect(read(`${long}$g#67`)).toEqual([{ kind: 'damaged' }, { kind: 'packet', payload: 'g' }]);
    expect(read(latin1(frame('m'.repeat(PACKET_SIZE))))).toMatchObject([{ kind: 'packet' }]);
  });

  it('that lost their end do not swallow the next one', () => {
    expect(read('$mmm$g#67')).toEqual([{ kind: 'packet', payload: 'g' }]);
  });

  it('carry binary data escaped', () => {
    const data = '#$}*\x00\xff';
    expect(escapeBinary(data)).toBe('}\x03}\x04}]}\x0a\x00\xff');
    expect(latin1(unescapeBinary(escapeBinary(data)))).toBe(data);
  });
});

describe('acknowledgements (GDB manual, E.11)', () => {
  it('are sent, asked again for, and switched off', () => {
    let sent = '';
    const session = new GdbSession(new FakeMachine(), (bytes) => {
      sent += latin1(bytes);
    });
    session.receive(bytesOf('$qAttached#8f-'));
    expect(sent).toBe('+$1#31$1#31');
    sent = '';
    session.receive(bytesOf('$qAttached#00'));
    expect(sent).toBe('-');
    sent = '';
    session.receive(frame('QStartNoAckMode'));
    session.receive(frame('qAttached'));
    expect(sent).toBe('+$OK#9a$1#31');
  });
});

describe('a debugger (GDB manual, E.2)', () => {
  it('stops the machine when it attaches, and lets it go when it detaches', () => {
    const { machine, ask, session } = attach();
    expect(machine.state).toBe('paused');
    expect(ask('?')).toBe('T05thread:1;');
    ask('Z0,1000,4');
    expect(ask('D')).toBe('OK');
    expect(machine.state).toBe('running');
    expect(machine.vcpus[0].debug?.breakpoints).toEqual([]);
    expect(ask('g')).toBeUndefined();
    session.dispose();
    expect(machine.calls).toEqual(['resume']);
  });

  it('that goes away lets a machine go on only if it ran', () => {
    const running = attach();
    running.session.dispose();
    expect(running.machine.calls).toEqual(['resume']);
    const machine = new FakeMachine();
    machine.state = 'paused';
    attach(machine).session.dispose();
    expect(machine.calls).toEqual([]);
  });

  it('gets an empty answer to what is not known', () => {
    const { ask } = attach();
    for (const command of ['vMustReplyEmpty', 'qCRC:0,1', 'R00', '!', '', 'vCon', 'qTStatus'])
      expect([command, ask(command)]).toEqual([command, '']);
  });

  it('gets an error for what is malformed', () => {
    const { ask, machine } = attach();
    const bad = [
      ...['m', 'mx,1', 'm1000', 'm1000,1,1', 'M1000,2:00', 'M1000,1:0g', 'X1000,2:a', 'p', 'pfff', 'P0=00'],
      ...['G00', 'H', 'Hx1', 'Hg3', 'T3', 'T0', 'Z0', 'Z0,1000', 'Z0,1002,4', 'Z0,1000,2', 'Z2,1000,0'],
      ...['vCont;', 'vCont;x', 'vCont;s:9', 'vCont;C', 'cx', 'qXfer:features:read:a.xml:0,1', 'qMemTags:0'],
      ...['qMemTags:1000,20:0', 'qMemTags:1000,ffffffff:1', 'QMemTags:1000,20:1:', 'qIsAddressTagged:'],
      ...['P21=0', 'm10000000000000000,1', 'P21=00000000'],
    ];
    for (const command of bad)
      expect([command, ask(command)]).toEqual([command, expect.stringMatching(/^E../)]);
    expect(machine.state).toBe('paused');
  });

  it('survives any bytes', () => {
    const { session, machine, ask, take } = attach();
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const letters = '?gGpPmMXZzsSHTqQvxt,;:=-0123456789abcdef\x00\xff}#$';
    for (let n = 0; n < 2000; n++) {
      const payload = Array.from({ length: random(24) }, () => letters[random(letters.length)]).join('');
      session.receive(frame(payload));
      void machine.pause();
    }
    session.receive(bytesOf('#00#00$#00'));
    take();
    expect(ask('qAttached')).toBe('1');
  });

  it('negotiates features; tags only with MTE', () => {
    const { ask, machine } = attach();
    expect(ask('qSupported:memory-tagging+;swbreak+')).toMatch(
      /^PacketSize=4000;.*QStartNoAckMode\+.*memory-t/,
    );
    expect(ask('qSupported:swbreak+')).not.toMatch(/memory-tagging/);
    machine.hasMte = false;
    expect(ask('qSupported:memory-tagging+')).not.toMatch(/memory-tagging/);
    expect(ask('qMemTags:1000,20:1')).toBe('');
  });

  it('reads the target description in pieces', () => {
    const { ask } = attach();
    let xml = '';
    for (let reply = 'm'; reply[0] === 'm'; xml += reply.slice(1)) {
      reply = ask(`qXfer:features:read:target.xml:${xml.length.toString(16)},400`) ?? '';
      expect(reply).toMatch(/^[ml]/);
    }
    expect(xml).toContain('<feature name="org.gnu.gdb.aarch64.core">');
    expect(xml).toContain('<feature name="org.gnu.gdb.aarch64.fpu">');
    expect(xml.endsWith('</target>')).toBe(true);
    expect(ask('qXfer:features:read:target.xml:ffffff,10')).toBe('l');
  });

  it('reads and writes registers, one or all', () => {
    const { ask, machine } = attach();
    const { registers } = machine.vcpus[0];
    registers.set('x1', 0x1122n);
    registers.set('fpcr', 0x3000000n);
    const all = ask('g') ?? '';
    expect(all.length).toBe(2 * (33 * 8 + 4 + 32 * 16 + 8));
    expect(all.slice(16, 32)).toBe('2211000000000000');
    expect(all.slice(-8)).toBe('00000003');
    expect(ask(`G${all.replace(/^.{16}/, 'efbeadde00000000')}`)).toBe('E16');
    expect(ask('P21=c503000000')).toBe('E16');
    expect(ask('P21=c5030000')).toBe('OK');
    expect(registers.get('cpsr')).toBe(0x3c5n);
    expect(ask(`G${'efbeadde00000000'.padEnd(33 * 16, '0')}`)).toBe('OK');
    expect(registers.get('x0')).toBe(0xdeadbeefn);
    expect(ask('p20')).toBe('0000000000000000');
    expect(ask(`P22=${'01'.padEnd(32, '0')}`)).toBe('OK');
    expect(registers.get('v0')).toBe(1n);
  });

  it('reads and writes memory as far as it may', () => {
    const { ask, machine } = attach();
    expect(ask('M1010,2:abcd')).toBe('OK');
    expect(ask('m1010,3')).toBe('abcd00');
    expect(ask(`X1020,3:${escapeBinary('#a}')}`)).toBe('OK');
    expect([...machine.vcpus[0].memory.subarray(0x20, 0x23)]).toEqual([0x23, 0x61, 0x7d]);
    expect(ask('X1020,0:')).toBe('OK');
    expect(ask('m17fe,10')).toBe('0000');
    expect(ask('m1800,1')).toBe('E01');
    expect(ask('M17ff,2:0000')).toBe('E01');
    expect(ask('m3000,1')).toBe('E0e');
    expect(ask('m1000,ffffffff')).toHaveLength(0x1000);
  });

  it('sees vCPUs as threads', () => {
    const { ask, machine } = attach();
    machine.vcpus[1].poweredOn = false;
    machine.vcpus[1].registers.set('x0', 7n);
    expect(ask('qfThreadInfo')).toBe('m1,2');
    expect(ask('qsThreadInfo')).toBe('l');
    expect(Buffer.from(ask('qThreadExtraInfo,2') ?? '', 'hex').toString()).toBe('CPU 1 [off]');
    expect(ask('T2')).toBe('OK');
    expect(ask('Hg2')).toBe('OK');
    expect(ask('qC')).toBe('QC2');
    expect(ask('p0')).toBe('0700000000000000');
    expect(ask('Hc-1')).toBe('OK');
  });

  it('continues until something happens, and is told what', () => {
    const { ask, machine, reply } = attach();
    ask('qSupported:swbreak+;hwbreak+');
    expect(ask('Z0,1000,4')).toBe('OK');
    expect(ask('Z1,1004,4')).toBe('OK');
    expect(ask('Z2,1100,8')).toBe('OK');
    expect(ask('Z4,1200,4')).toBe('OK');
    expect(machine.vcpus[1].debug).toMatchObject({
      softwareBreakpoints: false,
      step: false,
      breakpoints: [0x1000n, 0x1004n],
      watchpoints: [
        { address: 0x1100n, bytes: 8, read: false, write: true },
        { address: 0x1200n, bytes: 4, read: true, write: true },
      ],
    });
    expect(ask('vCont;c')).toBeUndefined();
    expect(ask('g')).toBe('E10');
    machine.hit(1, 'breakpoint', 0x1000n);
    expect(reply()).toBe('T05swbreak:;thread:2;');
    expect(ask('qC')).toBe('QC2');
    ask('c');
    machine.hit(0, 'breakpoint', 0x1004n);
    expect(reply()).toBe('T05hwbreak:;thread:1;');
    ask('c');
    machine.hit(0, 'watchpoint', 0x1102n);
    expect(reply()).toBe('T05watch:1102;thread:1;');
    ask('c');
    machine.hit(0, 'watchpoint', 0x1200n);
    expect(reply()).toBe('T05awatch:1200;thread:1;');
    expect(ask('z2,1100,8')).toBe('OK');
    expect(machine.vcpus[0].debug?.watchpoints).toHaveLength(1);
  });

  it('sets no more breakpoints than there is room for', () => {
    const { ask } = attach();
    for (let n = 0; n < 256; n++) expect(ask(`Z0,${(0x1000 + 4 * n).toString(16)},4`)).toBe('OK');
    expect(ask('Z0,8000,4')).toBe('E1c');
    expect(ask('Z0,1000,4')).toBe('OK');
  });

  it('steps one vCPU while the others stand, or run', () => {
    const { ask, machine, reply } = attach();
    expect(ask('vCont?')).toBe('vCont;c;C;s;S');
    ask('vCont;s:2');
    expect(machine.vcpus.map(({ held, debug }) => [held, debug?.step])).toEqual([
      [true, false],
      [false, true],
    ]);
    machine.hit(1, 'step', 0x1004n);
    expect(reply()).toBe('T05thread:2;');
    ask('vCont;S05:p1.2;c');
    expect(machine.vcpus.map(({ held, debug }) => [held, debug?.step])).toEqual([
      [false, false],
      [false, true],
    ]);
  });

  it('interrupts a machine that runs, and only then', () => {
    const { session, ask, reply } = attach();
    session.receive(Uint8Array.of(3));
    expect(reply()).toBeUndefined();
    ask('c');
    session.receive(Uint8Array.of(3));
    expect(reply()).toBe('T02thread:1;');
  });

  it('is told of the end, and can bring it', () => {
    const { machine, ask, reply } = attach();
    ask('c');
    machine.emitter.emit('end', { reason: 'crash', status: 3, message: '' });
    expect(reply()).toBe('W03');
    expect(ask('?')).toBe('W03');
    expect(ask('vKill;1')).toBe('OK');
    expect(machine.calls).toEqual(['resume', 'quit']);
  });

  it('keeps its breakpoints over a reset', () => {
    const { machine, ask } = attach();
    ask('Z1,2000,4');
    machine.reset();
    expect(machine.vcpus[0].debug?.breakpoints).toEqual([0x2000n]);
  });

  it('stops a machine that somebody else lets go', async () => {
    const { machine, reply } = attach();
    machine.resume();
    await Promise.resolve();
    expect(machine.state).toBe('paused');
    expect(reply()).toBeUndefined();
  });

  it('sees nothing of a guest whose owner lets no debugger in', () => {
    const machine = new FakeMachine();
    machine.isOpen = false;
    const { ask, reply, session } = attach(machine);
    expect(ask('g')).toMatch(/^x+$/);
    expect(ask('p20')).toBe('xxxxxxxxxxxxxxxx');
    expect(ask('Z0,1000,4')).toBe('E01');
    expect(ask('vCont;s:1')).toBe('E01');
    expect(ask('vCont;c')).toBeUndefined();
    session.receive(Uint8Array.of(3));
    expect(reply()).toBe('T02thread:1;');
    expect(machine.vcpus[0].debug).toBeUndefined();
  });

  it('asks the machine about itself (qRcmd)', () => {
    const { ask, machine } = attach();
    const monitor = (text: string): string =>
      Buffer.from(ask(`qRcmd,${Buffer.from(text).toString('hex')}`) ?? '', 'hex').toString();
    expect(monitor('help')).toMatch(/^explain ADDRESS .*\nreset /);
    expect(monitor('toString')).toBe(monitor('help'));
    expect(monitor('explain 0x10000000000000')).toMatch(/no guest-physical address/);
    expect(monitor('explain everything')).toMatch(/no address/);
    const [before] = machine.vcpus;
    expect(monitor(' reset ')).toBe('reset\n');
    expect(machine.vcpus[0]).not.toBe(before);
    expect(ask('qRcmd,xy')).toBe('E16');
  });

  it('reads and writes allocation tags (E.4)', () => {
    const { ask } = attach();
    expect(ask('qIsAddressTagged:1000')).toBe('01');
    expect(ask('qIsAddressTagged:1800')).toBe('00');
    expect(ask('QMemTags:1000,20:1:0305')).toBe('OK');
    expect(ask('qMemTags:1000,20:1')).toBe('m0305');
    expect(ask('qMemTags:1800,20:1')).toBe('E0e');
  });
});
