// --stats FILE and --profile FILE: opened before the guest starts, so that a path that cannot be written costs no run; written at the end.

import { type FileHandle, open } from 'node:fs/promises';
import { hostError, reasonOf, usageError } from './exit-status.ts';

export class StatsFile {
  private readonly path: string;
  private readonly file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.file = file;
  }

  static async open(path: string, option = '--stats'): Promise<StatsFile> {
    try {
      return new StatsFile(path, await open(path, 'w'));
    } catch (error) {
      throw usageError(`${option} ${path}: ${reasonOf(error)}; give a file that can be written`);
    }
  }

  write(stats: object): Promise<void> {
    return this.writeText(`${JSON.stringify(stats, undefined, 2)}\n`);
  }

  async writeText(text: string): Promise<void> {
    try {
      await this.file.writeFile(text);
    } catch (error) {
      throw hostError(`${this.path}: could not be written: ${reasonOf(error)}`);
    } finally {
      await this.file.close();
    }
  }
}
