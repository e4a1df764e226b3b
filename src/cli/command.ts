// What a subcommand is. One file in commands/ per command; the table in commands/index.ts is all that knows them.

import type { Command as CommanderCommand } from 'commander';

/** The process as a command sees it, so that a test can stand in for it. */
export interface CliIo {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface CliCommand {
  readonly name: string;
  readonly summary: string;
  /** Adds the command with its arguments and options; `finish` takes the action's exit status. */
  attach(program: CommanderCommand, io: CliIo, finish: (status: Promise<number>) => Promise<void>): void;
}

export interface CommandDefinition<Flags> {
  readonly name: string;
  readonly summary: string;
  /** Adds arguments and options, and nothing else. */
  define(command: CommanderCommand): void;
  /** Resolves to the exit status. Throws what is told in one line. */
  run(flags: Flags, args: readonly string[], io: CliIo): Promise<number>;
}

export function defineCommand<Flags>(definition: CommandDefinition<Flags>): CliCommand {
  return {
    name: definition.name,
    summary: definition.summary,
    attach(program, io, finish) {
      const command = program.command(definition.name).description(definition.summary);
      definition.define(command);
      command.action(() => finish(definition.run(command.opts() as Flags, command.args, io)));
    },
  };
}
