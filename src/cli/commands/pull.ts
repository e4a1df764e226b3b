// ringfence pull: a guest kernel and an initramfs through the system's apt, cached.

import { CATALOGUE, pullImage } from '../../images/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, usageError } from '../exit-status.ts';
import { progressBar } from '../progress.ts';

interface PullFlags {
  readonly refresh?: boolean;
  readonly sources?: string;
  readonly list?: boolean;
}

export const pull = defineCommand<PullFlags>({
  name: 'pull',
  summary: "fetch a guest kernel through the system's apt, and make an initramfs for it",
  define(command) {
    command
      .argument('[name]', 'debian, debian-12, debian-13-full, ...; --list shows all')
      .option('--refresh', 'fetch the newest version although one is in the cache')
      .option('--sources <file>', "an apt sources file to use instead of the system's")
      .option('--list', 'show what there is');
  },
  async run(flags, [name], { stdout, stderr }) {
    if (flags.list) {
      for (const entry of CATALOGUE) stdout.write(`${entry.name.padEnd(26)}${entry.description}\n`);
      return EXIT.ok;
    }
    if (!name) throw usageError("pull needs a name, for example 'ringfence pull debian'; --list shows all");
    const bar = progressBar(stderr);
    const image = await pullImage(name, {
      refresh: flags.refresh ?? false,
      sourcesFile: flags.sources,
      progress: bar.update,
    }).finally(() => bar.finish());
    stderr.write(
      `ringfence: ${image.name}: Linux ${image.release} (${image.version}); start it: ringfence run ${name}\n`,
    );
    stdout.write(`kernel ${image.kernel}\ninitrd ${image.initrd}\n`);
    return EXIT.ok;
  },
});
