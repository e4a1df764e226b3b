import { describe, expect, it } from 'vitest';
import { type CpioEntry, writeCpio } from '../../src/images/index.ts';

interface Read {
  readonly name: string;
  readonly mode: number;
  readonly data: string;
  readonly device: readonly [number, number];
}

/** Reads as the kernel does (init/initramfs.c): fields by position, name and data padded to four. */
function readCpio(bytes: Uint8Array): Read[] {
  const text = Buffer.from(bytes).toString('latin1');
  const out: Read[] = [];
  for (let at = 0; ; ) {
    expect(text.slice(at, at + 6)).toBe('070701');
    const field = (i: number): number => Number.parseInt(text.slice(at + 6 + i * 8, at + 14 + i * 8), 16);
    const nameSize = field(11);
    const name = text.slice(at + 110, at + 110 + nameSize - 1);
    if (name === 'TRAILER!!!') return out;
    const start = (at + 110 + nameSize + 3) & ~3;
    const data = text.slice(start, start + field(6));
    out.push({ name, mode: field(1), data, device: [field(9), field(10)] });
    at = (start + field(6) + 3) & ~3;
  }
}

const ENTRIES: readonly CpioEntry[] = [
  { kind: 'directory', path: 'dev' },
  { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  { kind: 'file', path: 'init', data: '#!/bin/sh\n', mode: 0o755 },
  { kind: 'file', path: 'empty', data: '' },
  { kind: 'symlink', path: 'sh', target: 'busybox' },
];

describe('newc archives (buffer-format.rst)', () => {
  it('read back as they were written', () => {
    expect(readCpio(writeCpio(ENTRIES))).toEqual([
      { name: 'dev', mode: 0o040755, data: '', device: [0, 0] },
      { name: 'dev/console', mode: 0o020600, data: '', device: [5, 1] },
      { name: 'init', mode: 0o100755, data: '#!/bin/sh\n', device: [0, 0] },
      { name: 'empty', mode: 0o100644, data: '', device: [0, 0] },
      { name: 'sh', mode: 0o120777, data: 'busybox', device: [0, 0] },
    ]);
  });

  it('are the same bytes every time, in whole blocks of 512', () => {
    const archive = writeCpio(ENTRIES);
    expect(archive).toEqual(writeCpio(ENTRIES));
    expect(archive.length % 512).toBe(0);
  });
});
