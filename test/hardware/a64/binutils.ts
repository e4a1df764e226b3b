// GNU binutils as the oracle of assembly text: words to text by objdump, text to words by as. Both take thousands
// of instructions a run.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OBJDUMP = 'aarch64-linux-gnu-objdump';
const AS = 'aarch64-linux-gnu-as';
const OBJCOPY = 'aarch64-linux-gnu-objcopy';
const MARCH =
  'armv8.7-a+fp16+fp16fml+sha2+sha3+sm4+aes+rng+memtag+pauth+ssbs+sb+predres+flagm+crc+rdma+lse+dotprod';

export function binutilsAvailable(): boolean {
  return [OBJDUMP, AS, OBJCOPY].every((program) => spawnSync(program, ['--version']).status === 0);
}

function inFolder<T>(work: (file: (name: string) => string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'ringfence-binutils-'));
  try {
    return work((name) => join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Text of each word, the first at address 0; blanks as one space, without objdump's remarks. */
export function objdump(words: readonly number[], aliases = false): string[] {
  return inFolder((file) => {
    writeFileSync(file('code.bin'), Uint32Array.from(words));
    const style = ['-M', aliases ? 'aliases' : 'no-aliases'];
    const out = execFileSync(
      OBJDUMP,
      ['-D', '-z', '-b', 'binary', '-m', 'aarch64', ...style, file('code.bin')],
      {
        maxBuffer: 2 ** 28,
      },
    ).toString();
    const lines = [...out.matchAll(/^ *[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$/gm)].map((m) => m[1] as string);
    if (lines.length !== words.length)
      throw new Error(`objdump gave ${lines.length} of ${words.length} lines`);
    return lines.map((line) =>
      line
        .replace(/\t?\/\/.*| ?; undefined$/, '')
        .replace(/\s+/g, ' ')
        .trim(),
    );
  });
}

/** The encoding of each line, or undefined where as refuses it. Lines must be one instruction each. */
export function assembleWithBinutils(lines: readonly string[]): (number | undefined)[] {
  return inFolder((file) => {
    const refused = new Set<number>();
    for (let attempt = 0; attempt < 3; attempt++) {
      const text = lines.map((line, k) => (refused.has(k) ? '.inst 0' : line));
      writeFileSync(file('code.s'), `start:\n${text.join('\n')}\n`);
      const { status, stderr } = spawnSync(AS, [`-march=${MARCH}`, '-o', file('code.o'), file('code.s')], {
        maxBuffer: 2 ** 28,
      });
      if (status === 0) {
        execFileSync(OBJCOPY, ['-O', 'binary', '-j', '.text', file('code.o'), file('code.bin')]);
        const bytes = readFileSync(file('code.bin'));
        const words = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
        return lines.map((_, k) => (refused.has(k) ? undefined : words[k]));
      }
      const before = refused.size;
      for (const [, line] of stderr.toString().matchAll(/:(\d+): Error/g)) refused.add(Number(line) - 2);
      if (refused.size === before) throw new Error(stderr.toString().slice(0, 500));
    }
    throw new Error('as refuses lines in turns');
  });
}
