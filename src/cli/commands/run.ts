// ringfence run: boots a guest and stays until it ends.

import { defineCommand } from '../command.ts';
import { chooseGuest } from '../guest.ts';
import { createMachine, refuseWhatIsMissing } from '../machine.ts';
import { openSink } from '../output.ts';
import { formatProfile } from '../profile.ts';
import { defineRunOptions, type RunFlags, readRunSettings } from '../run-settings.ts';
import { runSession } from '../session.ts';
import { StatsFile } from '../stats-file.ts';

export const run = defineCommand<RunFlags>({
  name: 'run',
  summary: "boot a guest: Debian's cloud kernel, a pulled image by name, 'embedded', or --kernel FILE",
  define(command) {
    command.argument('[image]', 'a name that pull knows, or embedded');
    defineRunOptions(command);
    command.addHelpText('after', '\nKeys on a terminal: Ctrl-A x leaves, Ctrl-A h shows the others.');
  },
  async run(flags, [image], io) {
    const settings = readRunSettings(flags);
    refuseWhatIsMissing(settings);
    const { kernel, initrd, append } = flags;
    const guest = await chooseGuest({ image, kernel, initrd, append }, io);
    const owned = await createMachine(settings, guest, io);
    const { machine } = owned;
    try {
      const stats = settings.stats === undefined ? undefined : await StatsFile.open(settings.stats);
      const profile =
        settings.profile === undefined ? undefined : await StatsFile.open(settings.profile, '--profile');
      let closed = (): void => {};
      const outputClosed = new Promise<void>((resolve) => {
        closed = resolve;
      });
      const sink = await openSink(settings.serial, io.stdout, closed);
      const interactive = settings.serial === 'stdio';
      const { timeoutSeconds } = settings;
      const status = await runSession({ machine, sink, interactive, timeoutSeconds, outputClosed, io });
      await stats?.write({ ...machine.stats(), exitStatus: status });
      await profile?.writeText(formatProfile(machine.profile() ?? [], machine.stats().instructions));
      return status;
    } finally {
      owned.dispose();
    }
  },
});
