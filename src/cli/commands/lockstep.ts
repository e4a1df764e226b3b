// ringfence lockstep: one guest on the interpreter and on the JIT at once, compared as they go; shows the first
// instruction after which they differ.

import { disassemble } from '../../hardware/a64/index.ts';
import { jitEngine } from '../../hypervisor/index.ts';
import { copyOnWrite, formatDivergence, lockstep as perform } from '../../lab/lockstep/index.ts';
import { DisposableStore } from '../../lib/index.ts';
import { openDiskFile } from '../../vmm/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, usageError } from '../exit-status.ts';
import { chooseGuest } from '../guest.ts';
import { logTo, machineOptions, refuseWhatIsMissing, withOptionName } from '../machine.ts';
import { openSink } from '../output.ts';
import { defineRunOptions, type RunFlags, readRunSettings } from '../run-settings.ts';
import { wholeNumber } from '../values.ts';

interface LockstepFlags extends RunFlags {
  readonly instructions?: string;
  readonly slice: string;
  readonly hot: string;
  readonly hotter: string;
}

const MOST = 1e15;
/** Between two lines of progress. */
const PROGRESS_MS = 2000;

export const lockstep = defineCommand<LockstepFlags>({
  name: 'lockstep',
  summary: 'run a guest on the interpreter and the JIT at once, and stop at the first difference',
  define(command) {
    command.argument('[image]', 'a name that pull knows, or embedded');
    defineRunOptions(command);
    command
      .option('--instructions <n>', 'stop after so many (default: when the guest ends)')
      .option('--slice <n>', 'instructions between two comparisons of registers', '10000')
      .option('--hot <n>', 'arrivals at code before the JIT compiles it', '40')
      .option('--hotter <n>', 'entries of compiled code before it is compiled with what it calls', '400')
      .addHelpText(
        'after',
        '\nThe clock is virtual, nobody types, and disks keep what the guest writes to themselves.\nStatus 0: no difference until the guest ended or --instructions. 1: a difference, which is shown.',
      );
  },
  async run(flags, [image], io) {
    const settings = readRunSettings(flags);
    refuseWhatIsMissing(settings);
    for (const [given, option] of [
      [settings.netSocket, '--net'],
      [settings.gdb, '--gdb'],
      [settings.qmp, '--qmp'],
      [settings.stats, '--stats'],
      [settings.profile, '--profile'],
    ] as const)
      if (given !== undefined) throw usageError(`${option}: not in lockstep; leave it out`);
    if (settings.engine !== 'auto')
      throw usageError(`--engine ${settings.engine}: lockstep runs both; leave it out`);
    const instructions =
      flags.instructions === undefined
        ? Number.POSITIVE_INFINITY
        : wholeNumber('--instructions', flags.instructions, 1, MOST);
    const slice = wholeNumber('--slice', flags.slice, 1, MOST);
    const hot = wholeNumber('--hot', flags.hot, 1, 1e9);
    const hotter = wholeNumber('--hotter', flags.hotter, 1, 1e9);
    const { kernel, initrd, append } = flags;
    const guest = await chooseGuest({ image, kernel, initrd, append }, io);
    const owned = new DisposableStore();
    const started = performance.now();
    let shown = started;
    let timedOut = false;
    try {
      const sink = await openSink(settings.serial, io.stdout, () => {});
      const result = await perform({
        async machine() {
          const options = await machineOptions(settings, guest, owned, logTo(io.stderr));
          const drives = [];
          for (const { file, readOnly } of settings.drives) {
            const disk = owned.add(await openDiskFile(file, true));
            drives.push({ source: copyOnWrite(disk), readOnly });
          }
          return { ...options, drives };
        },
        instructions,
        slice,
        subject: jitEngine({ hot, hotter, batch: 4 }),
        output: (bytes) => sink.write(bytes),
        progress(done) {
          const now = performance.now();
          if (now - shown >= PROGRESS_MS) {
            shown = now;
            io.stderr.write(`ringfence: lockstep: ${Math.round(done / 1e6)} million instructions\n`);
          }
          timedOut = settings.timeoutSeconds !== undefined && now - started > settings.timeoutSeconds * 1000;
          return timedOut;
        },
      }).catch((error: unknown) => {
        throw withOptionName(error);
      });
      await sink.close();
      const { divergence, end } = result;
      if (divergence) {
        io.stdout.write(`lockstep: a difference after ${result.instructions} instructions\n`);
        io.stdout.write(`${formatDivergence(divergence, disassemble)}\n`);
        return EXIT.host;
      }
      const how = end && end.reason !== 'poweroff' ? `; ${end.message}` : '';
      io.stdout.write(`lockstep: ${result.instructions} instructions, no difference${how}\n`);
      return timedOut ? EXIT.timeout : EXIT.ok;
    } finally {
      owned.dispose();
    }
  },
});
