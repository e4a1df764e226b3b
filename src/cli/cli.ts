// Parses a command line, runs its command and turns whatever happens into an exit status and, for failures, one line
// on stderr. A person's mistake never shows a stack; a fault of Ringfence shows one line and where to report it.

import { Command, CommanderError } from 'commander';
import { ImageError } from '../images/index.ts';
import type { CliIo } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { EXIT } from './exit-status.ts';
import { translateQemuSpelling } from './qemu-spelling.ts';

declare const RINGFENCE_VERSION: string | undefined;

export const version = (): string =>
  typeof RINGFENCE_VERSION === 'string' ? RINGFENCE_VERSION : 'development';

/** `args` without the program's name. Resolves to the exit status; never rejects. */
export async function main(args: readonly string[], io: CliIo): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    return report(error, io.stderr);
  }
}

async function dispatch(args: readonly string[], io: CliIo): Promise<number> {
  const program = new Command('ringfence')
    .description('Runs arm64 virtual machines whose memory somebody must not touch.')
    .version(version())
    .helpCommand('help [command]', 'show the options of a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // An error is told once, by report().
      writeErr: () => {},
    });
  let status: number = EXIT.ok;
  for (const command of COMMANDS) {
    command.attach(program, io, async (result) => {
      status = await result;
    });
  }
  for (const command of program.commands)
    command.exitOverride().showSuggestionAfterError().allowExcessArguments(false);
  if (args.length === 0) {
    io.stdout.write(program.helpInformation());
    return EXIT.ok;
  }
  await program.parseAsync(withCommand(args), { from: 'user' });
  return status;
}

/** QEMU has no subcommands: `ringfence -kernel Image` means run. */
function withCommand(args: readonly string[]): string[] {
  const [first = '', ...rest] = args;
  if (first === 'run') return [first, ...translateQemuSpelling(rest)];
  const ofProgram = ['-h', '--help', '-V', '--version'].includes(first);
  return first.startsWith('-') && !ofProgram ? ['run', ...translateQemuSpelling(args)] : [...args];
}

export function report(error: unknown, stderr: NodeJS.WriteStream): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    const sentence = error.message
      .replace(/^error: /, '')
      .replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean $1?');
    stderr.write(`ringfence: ${oneLine(sentence)}; see ringfence --help\n`);
    return EXIT.usage;
  }
  const status = statusOf(error);
  if (status !== undefined && error instanceof Error) {
    stderr.write(`ringfence: ${oneLine(error.message)}\n`);
    return status;
  }
  const what = error instanceof Error ? `${error.message}${placeOf(error)}` : String(error);
  stderr.write(
    `ringfence: internal error: ${oneLine(what)}; please report it with the command line and this line\n`,
  );
  if (process.env.RINGFENCE_DEBUG && error instanceof Error) stderr.write(`${error.stack}\n`);
  return EXIT.host;
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof ImageError) return error.kind === 'usage' ? EXIT.usage : EXIT.host;
  // The operating system said no; its message names the call and the file.
  if (error instanceof Error && 'syscall' in error) return EXIT.host;
  if (error instanceof Error && 'exitStatus' in error && typeof error.exitStatus === 'number')
    return error.exitStatus;
  return undefined;
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' ');

/** The innermost function of ours, so that a report says where. */
function placeOf(error: Error): string {
  const frame = /^\s+at (\S+) /m.exec(error.stack ?? '')?.[1];
  return frame ? ` (in ${frame})` : '';
}
