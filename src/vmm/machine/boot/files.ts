// Getting a kernel's or an initrd's bytes: given as they are, from a file in Node, or by URL in a browser.

import { UserError } from '../errors.ts';

/** A path (in a browser, a URL), or the bytes themselves. */
export type FileSource = string | Uint8Array;

export interface LoadedFile {
  /** What messages call it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** `what` names the option, e.g. 'kernel'. Throws UserError where the file cannot be read. */
export async function loadFile(what: string, source: FileSource): Promise<LoadedFile> {
  if (typeof source !== 'string') return { name: '(in memory)', bytes: source };
  if (typeof process === 'undefined') return { name: source, bytes: await download(what, source) };
  const { readFile } = await import('node:fs/promises');
  try {
    return { name: source, bytes: await readFile(source) };
  } catch (error) {
    throw new UserError(`${what} ${source}: ${reason(error)}; check the path`);
  }
}

async function download(what: string, url: string): Promise<Uint8Array> {
  const response = await fetch(url).catch((error: unknown) => {
    throw new UserError(`${what} ${url}: ${reason(error)}; check the address`);
  });
  if (!response.ok)
    throw new UserError(`${what} ${url}: the server answered ${response.status}; check the address`);
  return new Uint8Array(await response.arrayBuffer());
}

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'it may not be read';
  if (code === 'EISDIR') return 'it is a directory';
  return error instanceof Error ? error.message : String(error);
}
