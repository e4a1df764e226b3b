// Drives the system's own apt for another architecture and release, with a state folder of its own, so that nothing of
// the system changes and no root is needed. apt fetches, and apt checks the signatures; nothing here weakens that.

import { execFile, spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ImageError } from './error.ts';
import { makeFolders } from './folders.ts';
import { readSources, type Stanza, sourcesFor } from './sources.ts';

const execute = promisify(execFile);

/** Debian's name of what guests run; i386 ones are for comparisons with emulators of other machines. */
export type Architecture = 'arm64' | 'i386';

/** Called with what is being fetched and a share of 0 to 1. */
export type Progress = (what: string, share: number) => void;

export interface AptOptions {
  /** This release's own folder for apt's lists and caches. */
  readonly folder: string;
  readonly codename: string;
  readonly backports: boolean;
  readonly architecture?: Architecture;
  /** A sources file (sources.list(5)) instead of the system's. */
  readonly sourcesFile?: string | undefined;
  readonly progress: Progress;
}

export class Apt {
  private readonly options: readonly string[];
  private readonly progress: Progress;
  private readonly release: string | undefined;
  private readonly architecture: Architecture;

  private constructor(
    options: readonly string[],
    progress: Progress,
    release: string | undefined,
    architecture: Architecture,
  ) {
    this.options = options;
    this.progress = progress;
    this.release = release;
    this.architecture = architecture;
  }

  /** Prepares the state folder and fetches the package lists. */
  static async open(options: AptOptions): Promise<Apt> {
    const { folder, architecture = 'arm64' } = options;
    await Promise.all(
      ['lists/partial', 'cache/archives/partial'].map((path) => makeFolders(join(folder, path))),
    );
    await writeFile(join(folder, 'status'), '');
    const stanzas = await systemSources(options.sourcesFile);
    const sources = join(folder, 'ringfence.sources');
    await writeFile(sources, sourcesFor(stanzas, options.codename, options.backports));
    const settings = [
      `Dir::State=${folder}`,
      `Dir::State::lists=${join(folder, 'lists')}`,
      `Dir::State::status=${join(folder, 'status')}`,
      `Dir::Cache=${join(folder, 'cache')}`,
      `Dir::Etc::SourceList=${sources}`,
      'Dir::Etc::SourceParts=/dev/null',
      // The system's pins speak of the system's releases.
      'Dir::Etc::Preferences=/dev/null',
      'Dir::Etc::PreferencesParts=/dev/null',
      `APT::Architecture=${architecture}`,
      `APT::Architectures=${architecture}`,
      'Acquire::Languages=none',
      // The state folder belongs to this user; root's apt would otherwise fetch as a user who cannot write there.
      'APT::Sandbox::User=',
      'APT::Get::List-Cleanup=false',
    ].flatMap((setting) => ['-o', setting]);
    const release = options.backports ? `${options.codename}-backports` : undefined;
    const apt = new Apt(settings, options.progress, release, architecture);
    await apt.fetch('package lists', ['update', '-o', 'APT::Update::Error-Mode=any'], folder);
    return apt;
  }

  /** The newest version of a package and what it depends on. */
  async show(name: string): Promise<{ version: string; depends: string[] }> {
    const at = this.release ? `${name}/${this.release}` : name;
    const text = await this.query(['show', '--no-all-versions', at]).catch(() => '');
    const field = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(text)?.[1] ?? '';
    const version = field('Version');
    if (!version)
      throw new ImageError('host', `apt knows no package ${name} for ${this.architecture} in this release`);
    const depends = field('Depends')
      .split(',')
      .map((alternative) => alternative.trim().split(/[\s|]/, 1)[0]!)
      .filter(Boolean);
    return { version, depends };
  }

  /** Downloads packages (`name` or `name=version`) into a folder and gives the files. */
  async download(packages: readonly string[], into: string): Promise<string[]> {
    await makeFolders(into);
    await this.fetch('packages', ['download', ...packages], into);
    return (await readdir(into)).filter((file) => file.endsWith('.deb')).map((file) => join(into, file));
  }

  private async query(args: readonly string[]): Promise<string> {
    return (
      await execute('apt-cache', [...this.options, ...args], { maxBuffer: 64 << 20, env: plainEnvironment() })
    ).stdout;
  }

  private fetch(what: string, args: readonly string[], cwd: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn('apt-get', [...this.options, '-q', '-o', 'APT::Status-Fd=3', ...args], {
        cwd,
        env: plainEnvironment(),
        stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      });
      let errors = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        errors += chunk.toString();
      });
      let status = '';
      child.stdio[3]?.on('data', (chunk: Buffer) => {
        // "dlstatus:ITEM:PERCENT:DESCRIPTION" lines (apt README.progress-reporting).
        status += chunk.toString();
        const lines = status.split('\n');
        status = lines.pop()!;
        for (const line of lines) {
          const percent = /^dlstatus:\d+:([\d.]+):/.exec(line);
          if (percent) this.progress(what, Number(percent[1]) / 100);
        }
      });
      child.on('error', () => reject(aptMissing()));
      child.on('close', (code) => {
        if (code === 0) {
          this.progress(what, 1);
          resolve();
        } else reject(new ImageError('host', `apt could not fetch ${what}: ${firstError(errors, code)}`));
      });
    });
  }
}

const plainEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: 'C' });

const aptMissing = (): ImageError =>
  new ImageError(
    'host',
    'pull needs apt-get, which this system does not have; give a kernel with --kernel FILE',
  );

async function systemSources(file: string | undefined): Promise<Stanza[]> {
  if (file) return readSources(file, '/nonexistent');
  try {
    const { stdout } = await execute('apt-config', [
      ...['shell', 'LIST', 'Dir::Etc::sourcelist/f', 'PARTS', 'Dir::Etc::sourceparts/d'],
    ]);
    const value = (name: string): string => new RegExp(`^${name}='(.*)'$`, 'm').exec(stdout)?.[1] ?? '';
    return await readSources(value('LIST'), value('PARTS'));
  } catch {
    throw aptMissing();
  }
}

/** apt's own first complaint, in one line, with a word of advice where the cause is known. */
function firstError(text: string, code: number | null): string {
  const lines = text.split('\n').filter((line) => /^[EW]: /.test(line));
  const line = (lines.find((l) => l.startsWith('E:')) ?? lines[0] ?? `apt-get ended with ${code}`).replace(
    /^[EW]: /,
    '',
  );
  if (/resolv|connect|Network is unreachable|timed out/i.test(text))
    return `${line.trim()} (is this machine offline?)`;
  if (/NO_PUBKEY|not signed/i.test(text)) return `${line.trim()} (install a newer debian-archive-keyring)`;
  return line.trim();
}
