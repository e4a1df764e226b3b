// Chooses modules from an unpacked kernel package: those asked for, with everything that they need, each after its
// needs. Works from the modules themselves, because a package has no modules.dep before it is installed.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { ImageError } from './error.ts';
import { type ModuleInfo, moduleName, readModuleInfo } from './modinfo.ts';

const run = promisify(execFile);

export interface KernelModule {
  readonly info: ModuleInfo;
  /** Not compressed. */
  readonly data: Uint8Array;
}

/** All module files below a folder, by the kernel's name for them. */
export async function findModules(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && /\.ko(\.(xz|gz|zst))?$/.test(entry.name)) {
      found.set(moduleName(entry.name), join(entry.parentPath, entry.name));
    }
  }
  return found;
}

async function unpack(file: string): Promise<Uint8Array> {
  if (file.endsWith('.ko')) return readFile(file);
  if (file.endsWith('.gz')) return gunzipSync(await readFile(file));
  const tool = file.endsWith('.xz') ? 'xz' : 'zstd';
  try {
    const { stdout } = await run(tool, ['-dc', file], { encoding: 'buffer', maxBuffer: 256 << 20 });
    return stdout;
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const advice = missing
      ? `install ${tool} (apt install ${tool === 'xz' ? 'xz-utils' : 'zstd'})`
      : 'pull again';
    throw new ImageError('host', `${file}: cannot be decompressed; ${advice}`);
  }
}

/**
 * The wanted modules and their needs, needs first. Names that no file has are left out: the kernel has them built in,
 * or not at all.
 */
export async function selectModules(
  files: ReadonlyMap<string, string>,
  wanted: readonly string[],
): Promise<KernelModule[]> {
  const chosen = new Map<string, KernelModule>();
  const visiting = new Set<string>();
  const visit = async (name: string): Promise<void> => {
    const file = files.get(name);
    if (!file || chosen.has(name) || visiting.has(name)) return;
    visiting.add(name);
    const data = await unpack(file);
    const info = readModuleInfo(data, file);
    for (const need of [...info.softPre, ...info.depends]) await visit(need);
    chosen.set(name, { info, data });
  };
  for (const name of wanted) await visit(moduleName(name));
  return [...chosen.values()];
}
