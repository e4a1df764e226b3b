// Reads the package sources that this system's apt is configured with (sources.list(5), both notations) and turns the
// Debian ones into sources for another release. No server's address is known here: all come from the system.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from './error.ts';

/** A deb822 stanza: fields in their order, values with their continuation lines. */
export type Stanza = ReadonlyMap<string, string>;

const CODENAMES = new Set([
  ...['buster', 'bullseye', 'bookworm', 'trixie', 'forky', 'duke', 'sid'],
  ...['oldoldstable', 'oldstable', 'stable', 'testing', 'unstable'],
]);

export function parseDeb822(text: string): Stanza[] {
  const stanzas: Map<string, string>[] = [];
  let current = new Map<string, string>();
  let field = '';
  for (const line of `${text}\n\n`.split('\n')) {
    if (line.startsWith('#')) continue;
    if (line.trim() === '') {
      if (current.size > 0) stanzas.push(current);
      current = new Map();
    } else if (/^\s/.test(line)) {
      current.set(field, `${current.get(field) ?? ''}\n${line}`);
    } else {
      const colon = line.indexOf(':');
      field = line.slice(0, colon).trim().toLowerCase();
      if (colon > 0) current.set(field, line.slice(colon + 1).trim());
    }
  }
  return stanzas;
}

/** The one-line notation: `deb [option=value ...] URI suite component...`. */
export function parseOneLine(text: string): Stanza[] {
  const stanzas: Stanza[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line);
    if (!match) continue;
    const stanza = new Map([
      ['types', match[1]!],
      ['uris', match[3]!],
      ['suites', match[4]!],
      ['components', match[5]!.trim()],
    ]);
    for (const option of (match[2] ?? '').split(/\s+/).filter(Boolean)) {
      const [key, value] = option.split('=', 2);
      if (key && value) stanza.set(key.toLowerCase(), value);
    }
    stanzas.push(stanza);
  }
  return stanzas;
}

/** All stanzas of a sources.list and its .d folder; a file that is absent gives none. */
export async function readSources(list: string, parts: string): Promise<Stanza[]> {
  const stanzas: Stanza[] = [];
  const read = async (file: string): Promise<void> => {
    const text = await readFile(file, 'utf8').catch(() => '');
    stanzas.push(...(file.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)));
  };
  await read(list);
  for (const name of (await readdir(parts).catch(() => [])).sort()) {
    if (name.endsWith('.sources') || name.endsWith('.list')) await read(join(parts, name));
  }
  return stanzas;
}

/** A suite's release and pocket: `bookworm-security` is bookworm and security; old `buster/updates` likewise. */
function pocketOf(suite: string): 'main' | 'updates' | 'security' | undefined {
  const match = /^([a-z]+)(?:[-/](updates|security))?$/.exec(suite);
  if (!match || !CODENAMES.has(match[1]!)) return undefined;
  if (suite.endsWith('/updates')) return 'security';
  return (match[2] as 'updates' | 'security' | undefined) ?? 'main';
}

const words = (text: string | undefined): string[] => (text ?? '').split(/\s+/).filter(Boolean);

/** Debian's own archives end in /debian or /debian-security, and so do their mirror lists. */
const isDebianUri = (uri: string): boolean => /\/debian[^/]*\/?$/.test(uri);

/**
 * The system's Debian sources, with their release replaced: main, updates and security where the system has them, and
 * backports where asked. Throws where the system has no Debian source.
 */
export function sourcesFor(stanzas: readonly Stanza[], codename: string, backports: boolean): string {
  const out: string[] = [];
  let hasMain = false;
  for (const stanza of stanzas) {
    if (!words(stanza.get('types')).includes('deb') || stanza.get('enabled') === 'no') continue;
    if (!words(stanza.get('components')).includes('main')) continue;
    const uris = words(stanza.get('uris')).filter(isDebianUri);
    const suites = new Set<string>();
    for (const suite of words(stanza.get('suites'))) {
      const pocket = pocketOf(suite);
      if (pocket === 'main') {
        hasMain = hasMain || uris.length > 0;
        suites.add(codename);
        if (backports) suites.add(`${codename}-backports`);
      } else if (pocket) suites.add(`${codename}-${pocket}`);
    }
    if (uris.length === 0 || suites.size === 0) continue;
    const kept = [...stanza]
      .filter(([key]) => !REPLACED.has(key))
      .map(([key, value]) => `${key}: ${value}\n`);
    out.push(
      `types: deb\nuris: ${uris.join(' ')}\nsuites: ${[...suites].join(' ')}\ncomponents: main\n${kept.join('')}`,
    );
  }
  if (!hasMain) {
    throw new ImageError(
      'host',
      "this system's apt has no Debian source to pull from; add one, or give a sources file with --sources FILE",
    );
  }
  return out.join('\n');
}

const REPLACED = new Set(['types', 'uris', 'suites', 'components', 'architectures', 'arch', 'enabled']);
