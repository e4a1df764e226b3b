// --stats FILE: opened before the guest starts, so that a path that cannot be written costs no run; written at the end.

import { type FileHandle, open } from 'node:fs/promises';
import { hostError, reasonOf, usageError } from './exit-status.ts';

export class StatsFile {
  private readonly path: string;
  private readonly file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.file = file;
  }

  static async open(path: string): Promise<StatsFile> {
    try {
      return new StatsFile(path, await open(path, 'w'));
    } catch (error) {
      throw usageError(`--stats ${path}: ${reasonOf(error)}; give a file that can be written`);
    }
  }

  async write(stats: object): Promise<void> {
    try {
      await this.file.writeFile(`${JSON.stringify(stats, undefined, 2)}\n`);
    } catch (error) {
      throw hostError(`${this.path}: the counters could not be written: ${reasonOf(error)}`);
    } finally {
      await this.file.close();
    }
  }
}
