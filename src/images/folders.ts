// Making a folder with its parents. Node's own recursive mkdir() never returns below folders that exist but cannot hold
// folders, such as /proc.

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Throws what node:fs throws for the first folder that cannot be made. */
export async function makeFolders(path: string): Promise<void> {
  if (await make(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolders(parent);
  if (!(await make(path))) await mkdir(path);
}

/** Whether the folder is there now; false where its parent is missing. */
async function make(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return true;
    if (code === 'ENOENT') return false;
    throw error;
  }
}
