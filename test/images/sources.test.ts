import { describe, expect, it } from 'vitest';
import { CATALOGUE, findImage } from '../../src/images/index.ts';
import { parseDeb822, parseOneLine, sourcesFor } from '../../src/images/sources.ts';

const DEB822 = `# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Architectures: amd64
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security/
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`;

describe("sources from the system's configuration (sources.list(5))", () => {
  it('replaces the release and keeps servers and keys', () => {
    expect(sourcesFor(parseDeb822(DEB822), 'trixie', false)).toBe(`types: deb
uris: http://mirror.test/debian
suites: trixie trixie-updates
components: main
signed-by: /usr/share/keyrings/debian-archive-keyring.gpg

types: deb
uris: http://mirror.test/debian-security/
suites: trixie-security
components: main
signed-by: 
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`);
  });

  it('adds backports beside the main suite', () => {
    expect(sourcesFor(parseDeb822(DEB822), 'trixie', true)).toContain(
      'suites: trixie trixie-backports trixie-updates\n',
    );
  });

  it('reads the one-line notation with options', () => {
    const text = `deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian/ stable main # x
# deb http://old.test/debian buster main
deb http://mirror.test/debian-security buster/updates main`;
    expect(sourcesFor(parseOneLine(text), 'bookworm', false)).toBe(`types: deb
uris: http://mirror.test/debian/
suites: bookworm
components: main
signed-by: /k.gpg

types: deb
uris: http://mirror.test/debian-security
suites: bookworm-security
components: main
`);
  });

  it('leaves out disabled and foreign sources', () => {
    const text = `${DEB822}
Types: deb
URIs: https://other.test/linux/debian
Suites: bookworm
Components: stable

Types: deb
Enabled: no
URIs: http://off.test/debian
Suites: bookworm
Components: main
`;
    const sources = sourcesFor(parseDeb822(text), 'trixie', false);
    expect(sources).not.toContain('other.test');
    expect(sources).not.toContain('off.test');
  });

  it('says what to do where there is no Debian source', () => {
    const ubuntu = 'deb http://mirror.test/ubuntu noble main';
    expect(() => sourcesFor(parseOneLine(ubuntu), 'trixie', false)).toThrow(
      /no Debian source.*--sources FILE/,
    );
  });
});

describe('image names', () => {
  it.each([
    ['debian', 'debian-13'],
    ['debian-12-cloud', 'debian-12'],
    ['Trixie-Backports', 'debian-13-backports'],
    ['debian-full', 'debian-13-full'],
    ['trixie-16k', 'debian-13-16k'],
  ])('%s is %s', (name, full) => {
    expect(findImage(name).name).toBe(full);
  });

  it('an unknown name is answered with the known ones', () => {
    expect(() => findImage('slackware')).toThrow(/no image is called 'slackware'.*debian-12/);
  });

  it('names each image once', () => {
    expect(new Set(CATALOGUE.map((entry) => entry.name)).size).toBe(CATALOGUE.length);
  });
});
