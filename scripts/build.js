// Bundles src/ into dist/: the command line, the library, and the KVM-shaped API on its own. Builds only where a source
// is newer than the last build, so that the launcher can ask every time.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const stamp = join(dist, '.built');

const ENTRIES = {
  cli: 'src/cli/main.ts',
  index: 'src/index.ts',
  kvm: 'src/hypervisor/index.ts',
  prebuild: 'src/cli/prebuild.ts',
};

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  // A folder's own time tells of files that were removed.
  return readdirSync(path).reduce((time, name) => Math.max(time, newest(join(path, name))), stat.mtimeMs);
}

export function isStale() {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  return ['src', 'package.json', 'scripts/build.js'].some((path) => newest(join(root, path)) > built);
}

/** Another process may run the old files meanwhile, so each output is replaced in one step. */
export async function build() {
  const started = Date.now();
  const { build: bundle } = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const result = await bundle({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: dist,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    define: { RINGFENCE_VERSION: JSON.stringify(version) },
    write: false,
    logLevel: 'silent',
  });
  mkdirSync(dist, { recursive: true });
  for (const file of result.outputFiles) {
    const temporary = join(dist, `.${basename(file.path)}.${process.pid}`);
    writeFileSync(temporary, file.contents);
    renameSync(temporary, file.path);
  }
  await import(pathToFileURL(join(dist, 'prebuild.js')).href);
  writeFileSync(stamp, '');
  return Date.now() - started;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (isStale() || process.argv.includes('--force')) {
    await build().then(
      (ms) => console.error(`built dist/ in ${ms} ms`),
      (error) => {
        console.error(error instanceof Error ? error.message : error);
        process.exitCode = 1;
      },
    );
  }
}
