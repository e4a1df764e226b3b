// The exit statuses that scripts rely on, and the errors that lead to them.

export const EXIT = {
  /** The guest powered off, or the command did its work. */
  ok: 0,
  /** Something failed on this machine: a file that cannot be written, a fault of Ringfence. */
  host: 1,
  /** The command line, or a file named on it, cannot be used. */
  usage: 2,
  /** The guest crashed. */
  guestCrash: 3,
  timeout: 124,
} as const;

/** What a shell reports for a process that a signal ended. */
export const signalStatus = (signal: number): number => 128 + signal;

/** A failure that is told in one line: what, which file or option, what to do. */
export class CliError extends Error {
  readonly exitStatus: number;

  constructor(exitStatus: number, sentence: string) {
    super(sentence);
    this.name = 'CliError';
    this.exitStatus = exitStatus;
  }
}

export const usageError = (sentence: string): CliError => new CliError(EXIT.usage, sentence);
export const hostError = (sentence: string): CliError => new CliError(EXIT.host, sentence);

/** A short reason from a system error. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EADDRINUSE: 'it is in use by another program',
  ECONNREFUSED: 'nobody listens there',
};
