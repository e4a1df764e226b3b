// The rows of the comparison: what the guest does, how the result is shown, and what Ringfence promises for it. Each
// row's work is fixed and the same on every peer; the host takes the time between two lines on the guest's console.

/** What Ringfence's time may be, as a multiple of the other's. */
export interface Targets {
  readonly qemu: number;
  readonly v86: number;
}

interface RowBase {
  readonly name: string;
  readonly title: string;
  /** How many CPUs the guest has. */
  readonly smp: number;
  readonly targets: Targets;
}

/** From the start of the emulator's process to a line on the console. */
export interface BootRow extends RowBase {
  readonly kind: 'boot';
  readonly until: 'init' | 'shell';
}

/** A script in the guest's /bench, between BENCH-BEGIN and BENCH-END. */
export interface WorkRow extends RowBase {
  readonly kind: 'work';
  /** Shell commands before the clock starts. */
  readonly prepare?: string;
  /** Shell commands; or a row of guest/program.c, which prints the two lines itself. */
  readonly run: string | { readonly program: string; readonly amount: number };
  /** Shown as work per second; without it, as seconds. */
  readonly rate?: { readonly amount: number; readonly unit: string };
  /** What the guest needs besides busybox. */
  readonly needs?: 'python';
}

export type Row = BootRow | WorkRow;

const WITHIN: Targets = { qemu: 2, v86: 1 };
const FASTER: Targets = { qemu: 1, v86: 1 };
const FAR_AHEAD: Targets = { qemu: 2, v86: 1 / 3 };

interface ProgramOptions {
  readonly amount: number;
  /** How many of `unit` one step of the amount is worth. */
  readonly worth: number;
  readonly unit: string;
  readonly targets?: Targets;
}

function program(name: string, title: string, options: ProgramOptions): WorkRow {
  const { amount, worth, unit, targets = WITHIN } = options;
  return {
    kind: 'work',
    name,
    title,
    smp: 1,
    targets,
    run: { program: name, amount },
    rate: { amount: amount * worth, unit },
  };
}

/** The part of the disk that the disk rows read and write; behind it is the archive with python3. */
export const DISK_MIB = 128;
const SHA256 = 'dd if=/dev/zero bs=1M count=32 2>/dev/null | sha256sum';

export const ROWS: readonly Row[] = [
  {
    kind: 'boot',
    name: 'boot',
    title: 'boot to /init',
    smp: 1,
    until: 'init',
    targets: { qemu: 2.5, v86: 1 / 3 },
  },
  {
    kind: 'boot',
    name: 'shell',
    title: 'boot to the shell, modules loaded',
    smp: 1,
    until: 'shell',
    targets: { qemu: 2.5, v86: 1 / 3 },
  },
  {
    kind: 'work',
    name: 'sha256',
    title: 'sha256sum of 32 MiB',
    smp: 1,
    targets: FAR_AHEAD,
    run: SHA256,
  },
  {
    kind: 'work',
    name: 'gzip',
    title: 'gzip of 32 MiB',
    smp: 1,
    targets: WITHIN,
    run: 'dd if=/dev/zero bs=1M count=32 2>/dev/null | gzip | wc -c',
  },
  {
    kind: 'work',
    name: 'loop',
    title: 'shell loop, 100,000 turns',
    smp: 1,
    targets: FAR_AHEAD,
    run: 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i',
  },
  {
    kind: 'work',
    name: 'dd',
    title: 'dd, zero to null, 4 GiB',
    smp: 1,
    targets: WITHIN,
    run: 'dd if=/dev/zero of=/dev/null bs=1M count=4096 2>/dev/null',
  },
  program('memcpy', 'memcpy, blocks of 16 MiB', { amount: 4096, worth: 1 / 1024, unit: 'GiB/s' }),
  program('memcpy-16m', 'memcpy, blocks 16 MiB apart', { amount: 256, worth: 1 / 1024, unit: 'GiB/s' }),
  program('memset', 'memset, blocks of 16 MiB', { amount: 8192, worth: 1 / 1024, unit: 'GiB/s' }),
  program('nbody', 'n-body, 64-bit floating point', {
    amount: 600_000,
    worth: 1e-3,
    unit: 'k steps/s',
    targets: FASTER,
  }),
  program('simd-float', 'NEON matrix products, 32-bit floating point', {
    amount: 200,
    worth: 1,
    unit: 'products/s',
    targets: FASTER,
  }),
  program('simd-integer', 'NEON image blending, 8 and 16-bit integers', {
    amount: 3000,
    worth: 1 / 16,
    unit: 'MiB/s',
    targets: FASTER,
  }),
  program('chase', 'pointer chasing over 64 MiB', { amount: 5_000_000, worth: 1e-6, unit: 'M steps/s' }),
  program('syscall', 'system calls', { amount: 300_000, worth: 1e-3, unit: 'k/s' }),
  program('switch', 'context switches through a pipe', { amount: 30_000, worth: 2e-3, unit: 'k/s' }),
  program('fault', 'page faults', { amount: 131_072, worth: 1e-3, unit: 'k/s' }),
  program('fork-exec', 'fork, exec and wait', { amount: 300, worth: 1, unit: '/s' }),
  {
    kind: 'work',
    name: 'disk-read',
    title: 'virtio-blk, read',
    smp: 1,
    targets: WITHIN,
    prepare: 'echo 3 > /proc/sys/vm/drop_caches',
    run: `dd if=$DISK of=/dev/null bs=1M count=${DISK_MIB} 2>/dev/null`,
    rate: { amount: DISK_MIB, unit: 'MiB/s' },
  },
  {
    kind: 'work',
    name: 'disk-write',
    title: 'virtio-blk, write and flush',
    smp: 1,
    targets: WITHIN,
    run: `dd if=/dev/zero of=$DISK bs=1M count=${DISK_MIB} conv=fsync 2>/dev/null`,
    rate: { amount: DISK_MIB, unit: 'MiB/s' },
  },
  {
    kind: 'work',
    name: 'python',
    title: 'start of python3, 5 times',
    smp: 1,
    targets: WITHIN,
    needs: 'python',
    prepare: `dd if=$DISK bs=1M skip=${DISK_MIB} 2>/dev/null | (cd / && cpio -idu 2>/dev/null)`,
    run: 'for i in 1 2 3 4 5; do python3 -c "print(6*7)"; done | sort -u',
  },
  {
    kind: 'boot',
    name: 'boot-smp',
    title: '`--smp 4`: boot to /init',
    smp: 4,
    until: 'init',
    targets: { qemu: 2.5, v86: 1 },
  },
  {
    kind: 'work',
    name: 'parallel',
    title: '`--smp 4`: 4 sha256sum of 32 MiB at once',
    smp: 4,
    targets: WITHIN,
    run: `for i in 1 2 3 4; do ${SHA256} & done | sort -u`,
  },
];
