// Drives a guest on its console, like expect(1): the same steps run on our machine and, with RINGFENCE_BOOT_ON=qemu, on
// the reference emulator, so that a step that fails tells whose fault it is.

import { spawn } from 'node:child_process';
import { silentLog } from '../../src/lib/index.ts';
import { streamNet } from '../../src/vmm/devices/virtio/node.ts';
import { Machine, type MachineOptions, VirtioNet } from '../../src/vmm/index.ts';

export interface GuestOptions {
  readonly kernel: string;
  readonly initrd?: string | Uint8Array | undefined;
  readonly append?: string;
  readonly memory?: string;
  readonly smp?: number;
  readonly gic?: 2 | 3;
  /** Raw disk images. */
  readonly drives?: readonly string[];
  /** A stream socket with a network behind it. */
  readonly netSocket?: string;
  readonly clock?: 'virtual' | 'host';
  readonly more?: Partial<MachineOptions>;
}

export interface GuestEnd {
  /** As the command line's exit status: 0 power-off, 3 crash. */
  readonly status: number;
  readonly message: string;
  /** Guest instructions, where they are counted. */
  readonly instructions: number | undefined;
}

/** What stands behind a console. */
interface Backend {
  onOutput(listener: (bytes: Uint8Array) => void): void;
  write(text: string): void;
  readonly ended: Promise<GuestEnd>;
  kill(): void;
}

export const onQemu = process.env.RINGFENCE_BOOT_ON === 'qemu';

/** RINGFENCE_ENGINE: on which engine guests run whose test does not choose one. */
function engineOfTests(): Pick<MachineOptions, 'engine'> {
  const engine = process.env.RINGFENCE_ENGINE ?? 'auto';
  if (engine !== 'auto' && engine !== 'interpreter' && engine !== 'jit')
    throw new Error(`RINGFENCE_ENGINE=${engine}: not one of auto, interpreter, jit`);
  return { engine };
}

export async function startGuest(options: GuestOptions): Promise<Guest> {
  return new Guest(onQemu ? qemu(options) : await machine(options));
}

/** A root shell's in the home folder. */
const PROMPT = '~ # ';

export class Guest {
  private readonly backend: Backend;
  private text = '';
  /** Up to here the steps have read. */
  private at = 0;
  private waiting: (() => void) | undefined;
  private end: GuestEnd | undefined;

  constructor(backend: Backend) {
    this.backend = backend;
    backend.onOutput((bytes) => {
      this.text += Buffer.from(bytes).toString('latin1');
      this.waiting?.();
    });
    void backend.ended.then(
      (end) => {
        this.end = end;
        this.waiting?.();
      },
      () => this.waiting?.(),
    );
  }

  /** Everything printed so far. */
  get console(): string {
    return this.text;
  }

  type(text: string): void {
    this.backend.write(text);
  }

  /** Reads until `what` appears and gives what came before it. Fails where the guest ends first. */
  async until(what: string | RegExp): Promise<string> {
    for (;;) {
      const rest = this.text.slice(this.at);
      const match = typeof what === 'string' ? literal(rest, what) : what.exec(rest);
      if (match) {
        this.at += match.index + match[0].length;
        return rest.slice(0, match.index);
      }
      if (this.end)
        throw new Error(`the guest ended (${this.end.message}) before ${what}:\n${this.text.slice(-2000)}`);
      await new Promise<void>((resolve) => {
        this.waiting = resolve;
      });
    }
  }

  /** Runs a command at a shell's prompt and gives what it printed, without the echo, lines ended by \n. */
  async command(line: string): Promise<string> {
    this.type(`${line}\r`);
    await this.until('\n');
    const printed = await this.until(PROMPT);
    return plain(printed.slice(0, printed.lastIndexOf('\n') + 1));
  }

  prompt(): Promise<string> {
    return this.until(PROMPT);
  }

  ended(): Promise<GuestEnd> {
    return this.backend.ended;
  }

  kill(): void {
    this.backend.kill();
  }
}

function literal(text: string, what: string): { readonly 0: string; readonly index: number } | undefined {
  const index = text.indexOf(what);
  return index < 0 ? undefined : { 0: what, index };
}

const TERMINAL_QUERY = new RegExp(`${String.fromCharCode(27)}\\[\\d*n`, 'g');
/** Without carriage returns and terminal queries (busybox asks where the cursor is). */
const plain = (text: string): string => text.replaceAll('\r', '').replace(TERMINAL_QUERY, '');

async function machine(options: GuestOptions): Promise<Backend> {
  const {
    kernel,
    initrd,
    append = '',
    memory = '512M',
    smp = 1,
    gic = 3,
    drives = [],
    clock = 'virtual',
    netSocket,
  } = options;
  const backend =
    netSocket === undefined ? undefined : streamNet({ address: { path: netSocket }, log: silentLog });
  const made = await Machine.create({
    ...(backend && { virtio: [{ create: (env) => new VirtioNet({ backend }, env) }] }),
    ...{ kernel, append, memory, smp, gic, clock, drives: drives.map((source) => ({ source })) },
    ...(initrd === undefined ? {} : { initrd }),
    ...engineOfTests(),
    ...options.more,
  });
  return running(made, () => {
    made.dispose();
    backend?.dispose();
  });
}

function running(made: Machine, whenEnded: () => void): Backend {
  return {
    // The machine stands still until the steps have had their turn, so that a dialogue is the same every time.
    onOutput: (listener) =>
      void made.console.onOutput((bytes) => {
        listener(bytes);
        return new Promise((resolve) => setImmediate(resolve));
      }),
    write: (text) => void made.console.write(text),
    ended: made.run().then(({ status, message }) => {
      const { instructions } = made.stats();
      whenEnded();
      return { status, message, instructions };
    }),
    kill: () => made.dispose(),
  };
}

/** Starts a machine that the test made itself, and goes on to dispose of. */
export const drive = (made: Machine): Guest => new Guest(running(made, () => {}));

function qemu(options: GuestOptions): Backend {
  const { kernel, initrd, append = '', memory = '512M', smp = 1, gic = 3, drives = [] } = options;
  if (initrd instanceof Uint8Array) throw new Error('QEMU takes an initrd from a file');
  const disks = drives.flatMap((file, i) => [
    ...['-drive', `file=${file},format=raw,if=none,id=disk${i}`, '-device', `virtio-blk-pci,drive=disk${i}`],
  ]);
  const child = spawn('qemu-system-aarch64', [
    ...[
      '-M',
      `virt,gic-version=${gic}`,
      '-cpu',
      'max,pauth-impdef=on',
      '-nographic',
      '-nodefaults',
      '-serial',
      'stdio',
    ],
    ...['-m', memory, '-smp', String(smp), '-kernel', kernel, '-append', append, '-no-reboot'],
    ...(options.netSocket === undefined
      ? []
      : ['-netdev', `stream,id=net,server=off,addr.type=unix,addr.path=${options.netSocket}`]),
    ...(options.netSocket === undefined ? [] : ['-device', 'virtio-net-pci,netdev=net']),
    ...['-device', 'virtio-rng-pci', ...(initrd === undefined ? [] : ['-initrd', initrd]), ...disks],
  ]);
  return {
    onOutput: (listener) => void child.stdout.on('data', listener),
    write: (text) => void child.stdin.write(text),
    ended: new Promise((resolve) => {
      child.on('close', (code) =>
        resolve({ status: code ?? 0, message: `QEMU ended with ${code}`, instructions: undefined }),
      );
    }),
    kill: () => void child.kill(),
  };
}
