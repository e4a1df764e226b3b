// The stub on a real machine that runs the embedded guest: once with a client of our own, once with GDB itself.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { GdbServer, Machine, type MachineEnd, type MachineOptions } from '../../../src/vmm/index.ts';
import { frame, latin1, PacketReader } from '../../../src/vmm/monitor/gdb/packets.ts';

const LIMIT = 60_000;
const KERNEL = join(resolve(import.meta.dirname, '../../..'), 'guests/embedded.Image');
const ENTRY = 0x40000000;
/** "b first_cpu" at the entry leads there. */
const FIRST_CPU = 0x40000800;

const gdb = spawnSync('gdb-multiarch', ['--version']).status === 0;

let machine: Machine;
let server: GdbServer;
let end: Promise<MachineEnd>;
let sockets: Socket[] = [];

async function start(options: Partial<MachineOptions> = {}): Promise<void> {
  machine = await Machine.create({
    kernel: KERNEL,
    memory: '128M',
    append: 'auto',
    paused: true,
    ...options,
  });
  server = await GdbServer.open(machine, { kind: 'tcp', port: 0 });
  end = machine.run();
}

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  server.dispose();
  machine.dispose();
  await end;
});

/** One request after another; replies come in order. */
class Client {
  private readonly socket: Socket;
  private readonly replies: string[] = [];
  private arrived: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new PacketReader();
    socket.on('data', (bytes) => {
      for (const input of reader.push(bytes)) if (input.kind === 'packet') this.replies.push(input.payload);
      this.arrived?.();
    });
  }

  async ask(payload: string): Promise<string> {
    this.socket.write(frame(payload));
    return await this.reply();
  }
  go(payload: string): void {
    this.socket.write(frame(payload));
  }
  interrupt(): void {
    this.socket.write(Uint8Array.of(3));
  }
  async reply(): Promise<string> {
    for (;;) {
      const reply = this.replies.shift();
      if (reply !== undefined) return reply;
      await new Promise<void>((resolve) => {
        this.arrived = resolve;
      });
    }
  }
  async pc(): Promise<number> {
    return Buffer.from(await this.ask('p20'), 'hex').readUInt32LE(0);
  }
}

async function attach(): Promise<Client> {
  const socket = connect(server.port ?? 0, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  const client = new Client(socket);
  await client.ask('QStartNoAckMode');
  return client;
}

describe.each(['interpreter', 'jit'] as const)('a debugger of a machine on the %s', (engine) => {
  it('steps, breaks, watches and lets the guest end', { timeout: LIMIT }, async () => {
    await start({ engine, smp: 2 });
    const client = await attach();
    expect(await client.pc()).toBe(ENTRY);
    expect(await client.ask('m40000038,4')).toBe(Buffer.from('ARMd').toString('hex'));
    expect(await client.ask('vCont;s:1')).toBe('T05thread:1;');
    expect(await client.pc()).toBe(FIRST_CPU);

    // "mov x20, x0", run as a breakpoint's second half.
    expect(await client.ask('Z1,40000804,4')).toBe('OK');
    expect(await client.ask('P0=8877665544332211')).toBe('OK');
    expect(await client.ask('vCont;c')).toBe('T05thread:1;');
    expect(await client.pc()).toBe(FIRST_CPU + 4);
    expect(await client.ask('p14')).toBe('8877665544332211');
    expect(await client.ask('P14=0000204000000000')).toBe('OK');
    expect(await client.ask('z1,40000804,4')).toBe('OK');

    // The image's data, which relocation writes first; no range is watched that is much larger than that.
    expect(await client.ask('P0=0000204000000000')).toBe('OK');
    expect(await client.ask('Z2,40000000,100000')).toBe('E1c');
    expect(await client.ask('Z2,40008000,8000')).toBe('OK');
    expect(await client.ask('vCont;c')).toMatch(/^T05watch:4000[89a-f][0-9a-f]{3};thread:1;$/);
    expect(await client.ask('z2,40008000,8000')).toBe('OK');
    client.go('vCont;c');
    expect(await client.reply()).toBe('W00');
    expect((await end).message).toBe('the guest powered off');
  });
});

describe('a debugger of a machine', () => {
  it('interrupts it, and changes what it executes', { timeout: LIMIT }, async () => {
    await start({ append: '' });
    const client = await attach();
    // "b ." over the entry.
    expect(await client.ask('M40000000,4:00000014')).toBe('OK');
    client.go('c');
    client.interrupt();
    expect(await client.reply()).toBe('T02thread:1;');
    expect(await client.pc()).toBe(ENTRY);
    expect(machine.state).toBe('paused');
    client.go('k');
    expect((await end).reason).toBe('quit');
  });

  it('sees no private memory and no register of a protected guest', { timeout: LIMIT }, async () => {
    await start({ protect: 'pkvm' });
    const client = await attach();
    expect(await client.ask('p20')).toBe('xxxxxxxxxxxxxxxx');
    expect(await client.ask('m40000000,4')).toBe('E01');
    expect(await client.ask('M40000000,4:00000014')).toBe('E01');
    expect(await client.ask('Z0,40000000,4')).toBe('E01');
    expect(await client.ask('P20=0000000000000000')).toBe('E01');
    expect(await client.ask('D')).toBe('OK');
  });

  it('is alone: a second one is turned away', { timeout: LIMIT }, async () => {
    await start();
    const client = await attach();
    const second = connect(server.port ?? 0, '127.0.0.1');
    sockets.push(second);
    second.on('error', () => {});
    await once(second, 'close');
    expect(await client.ask('qAttached')).toBe('1');
  });
});

describe.skipIf(!gdb)('GDB itself (gdb-multiarch)', () => {
  it('attaches, breaks, steps, reads registers and continues to the end', { timeout: LIMIT }, async () => {
    await start({ smp: 2 });
    const commands = [
      `target remote 127.0.0.1:${server.port}`,
      `break *0x${(FIRST_CPU + 4).toString(16)}`,
      'continue',
      'printf "at %lx, tree %lx\\n", $pc, $x20',
      'stepi',
      'info registers lr cpsr',
      'info threads',
      'set var *(long *)0x47000000 = 0x1234567890',
      'x/1gx 0x47000000',
      'p $v0.q',
      'monitor explain 0x47000000',
      'delete',
      'continue',
    ];
    const child = spawn('gdb-multiarch', ['-nx', '-batch', ...commands.flatMap((c) => ['-ex', c])]);
    let output = '';
    const hear = (bytes: Uint8Array): void => {
      output += latin1(bytes);
    };
    child.stdout.on('data', hear);
    // Where answers of `monitor` go.
    child.stderr.on('data', hear);
    await once(child, 'close');
    expect(output).toContain('Breakpoint 1, 0x0000000040000804');
    expect(output).toMatch(/at 40000804, tree 4[0-9a-f]{7}\n/);
    expect(output).toMatch(/cpsr +0x[0-9a-f]+ +\[ SP EL=1/);
    expect(output).toMatch(/2 +Thread 1\.2 \(CPU 1 \[off\]\)/);
    expect(output).toMatch(/0x47000000:\t0x0000001234567890\n\$1 = 0\n/);
    expect(output).toMatch(/^gpa 0x47000000 -> .*\n(.*\n)+debugger +yes +yes/m);
    expect(output).toMatch(/\[Inferior 1 \(.*\) exited normally\]/);
    expect((await end).reason).toBe('poweroff');
  });
});
