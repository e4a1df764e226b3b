// ringfence replay: performs a recording of a real KVM on Ringfence and shows where the answers differ.

import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { formatReplay, replay as perform, RecordingError } from '../../lab/replay/index.ts';
import { defineCommand } from '../command.ts';
import { EXIT, reasonOf, usageError } from '../exit-status.ts';
import { type ProgressBar, progressBar } from '../progress.ts';
import { wholeNumber } from '../values.ts';

interface ReplayFlags {
  readonly show: string;
}

const GZIP_MAGIC = 0x1f8b;

export const replay = defineCommand<ReplayFlags>({
  name: 'replay',
  summary: 'perform a recording of a real KVM or pKVM, and compare every answer',
  define(command) {
    command
      .argument('<file>', 'JSON lines, plain or gzipped')
      .option('--show <n>', 'how many differences to show with the calls that led to them', '10')
      .addHelpText('after', '\nStatus 0: no answer differs. 1: some do. 2: the file is no recording.');
  },
  async run(flags, [file], { stdout, stderr }) {
    const keep = wholeNumber('--show', flags.show, 0, 1_000_000);
    const lines = await readLines(file);
    const bar = progressBar(stderr);
    try {
      const result = perform(watched(lines, bar), { keep });
      if (result.calls === 0)
        throw usageError(`${file}: holds no call; give a recording as test/golden holds them`);
      bar.finish();
      stdout.write(`${formatReplay(result)}\n`);
      return result.differ === 0 ? EXIT.ok : EXIT.host;
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      throw usageError(`${file}: ${error.message}; give a recording as test/golden holds them`);
    } finally {
      bar.finish();
    }
  },
});

/** Lines between two looks at the bar. */
const STRIDE = 512;

function* watched(lines: readonly string[], bar: ProgressBar): Generator<string> {
  for (const [n, line] of lines.entries()) {
    // Short recordings are over before a bar is of use.
    if (n > 0 && n % STRIDE === 0) bar.update('calls', n / lines.length);
    yield line;
  }
}

async function readLines(file: string): Promise<string[]> {
  try {
    const bytes = await readFile(file);
    const packed = bytes.length >= 2 && bytes.readUInt16BE(0) === GZIP_MAGIC;
    return (packed ? gunzipSync(bytes) : bytes).toString('utf8').split('\n');
  } catch (error) {
    throw usageError(`${file}: cannot be read: ${reasonOf(error)}; check the path`);
  }
}
