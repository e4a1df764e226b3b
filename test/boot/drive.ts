// Drives a guest on its console, like expect(1): the same steps run on our machine and, with RINGFENCE_BOOT_ON=qemu, on
// the reference emulator, so that a step that fails tells whose fault it is.

import { spawn } from 'node:child_process';
import { silentLog } from '../../src/lib/index.ts';
import { streamNet } from '../../src/vmm/devices/virtio/node.ts';
import { Machine, type MachineOptions, VirtioNet } from '../../src/vmm/index.ts';
import { type Backend, Guest, running } from './guest.ts';

export { drive, Guest, type GuestEnd } from './guest.ts';

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

export const onQemu = process.env.RINGFENCE_BOOT_ON === 'qemu';

export async function startGuest(options: GuestOptions): Promise<Guest> {
  return new Guest(onQemu ? qemu(options) : await machine(options));
}

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
    ...options.more,
  });
  return running(made, () => {
    made.dispose();
    backend?.dispose();
  });
}

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
