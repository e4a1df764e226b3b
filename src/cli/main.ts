// The program's entry: connects the command line to the process.

import { main, report } from './cli.ts';
import { readInterpreter } from './interpreter-file.ts';

// Whatever escapes still ends with the terminal restored (Terminal listens for 'exit') and one line.
const fatal = (error: unknown): void => {
  process.exit(report(error, process.stderr));
};
process.on('uncaughtException', fatal);
process.on('unhandledRejection', fatal);

readInterpreter();
const status = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
// Not process.exit() while output is still on its way into a pipe.
process.exitCode = status;
process.stdout.write('', () => process.exit(status));
