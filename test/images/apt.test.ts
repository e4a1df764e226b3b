import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Apt } from '../../src/images/apt.ts';

// A stand-in for apt in PATH: no network in tests.

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-apt-'));
  path = process.env.PATH ?? '';
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'sources.list'), 'deb http://mirror.test/debian bookworm main\n');
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true });
});

function tool(name: string, script: string): void {
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'bin', name), 0o755);
  process.env.PATH = `${join(folder, 'bin')}${delimiter}${path}`;
}

const open = (progress: (what: string, share: number) => void = () => {}): Promise<Apt> =>
  Apt.open({
    folder: join(folder, 'state'),
    codename: 'trixie',
    backports: true,
    sourcesFile: join(folder, 'sources.list'),
    progress,
  });

describe("the system's apt", () => {
  it('gets a state folder and sources of its own, and arm64', async () => {
    tool('apt-get', `echo "$@" > ${folder}/args`);
    await open();
    const args = readFileSync(join(folder, 'args'), 'utf8');
    expect(args).toContain(`Dir::State=${folder}/state`);
    expect(args).toContain('APT::Architecture=arm64');
    expect(args).not.toMatch(/allow-?insecure|allow-?unauthenticated|trusted/i);
    expect(readFileSync(join(folder, 'state/ringfence.sources'), 'utf8')).toContain(
      'suites: trixie trixie-backports',
    );
  });

  it('fetches for another architecture where asked', async () => {
    tool('apt-get', `echo "$@" > ${folder}/args`);
    tool('apt-cache', 'exit 100');
    const apt = await Apt.open({
      folder: join(folder, 'state'),
      codename: 'bookworm',
      backports: false,
      architecture: 'i386',
      sourcesFile: join(folder, 'sources.list'),
      progress: () => {},
    });
    expect(readFileSync(join(folder, 'args'), 'utf8')).toContain('APT::Architectures=i386');
    await expect(apt.show('linux-image-686')).rejects.toThrow('no package linux-image-686 for i386');
  });

  it('reports progress from its status lines', async () => {
    tool('apt-get', 'echo "dlstatus:1:12.5:Fetching" >&3; echo "dlstatus:1:50.0:Fetching" >&3');
    const shares: number[] = [];
    await open((_, share) => shares.push(share));
    expect(shares).toEqual([0.125, 0.5, 1]);
  });

  it('tells its first error in one line, with advice when offline', async () => {
    tool(
      'apt-get',
      'echo "W: noise" >&2; echo "E: Failed to fetch: Could not resolve mirror.test" >&2; exit 100',
    );
    await expect(open()).rejects.toThrow(
      'apt could not fetch package lists: Failed to fetch: Could not resolve mirror.test (is this machine offline?)',
    );
  });

  it('says so where there is no apt', async () => {
    process.env.PATH = join(folder, 'bin');
    await expect(open()).rejects.toThrow(/needs apt-get, which this system does not have/);
  });

  it("reads a package's version and needs", async () => {
    tool('apt-get', 'exit 0');
    tool('apt-cache', 'echo "Version: 7.2-1"; echo "Depends: a (= 1) | b, linux-image-7.2-arm64 (= 7.2-1)"');
    const apt = await open();
    expect(await apt.show('x')).toEqual({ version: '7.2-1', depends: ['a', 'linux-image-7.2-arm64'] });
  });
});
