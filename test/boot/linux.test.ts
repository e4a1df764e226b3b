// Linux to a shell: a table of kernels and machines. The quick rows run always; RINGFENCE_BOOT=all runs the rest.

import { afterEach, describe, expect, it } from 'vitest';
import { type Guest, startGuest } from './drive.ts';
import { type BootFiles, pulled, small } from './kernels.ts';

interface Row {
  readonly name: string;
  readonly files: () => Promise<BootFiles | undefined>;
  readonly smp: number;
  readonly gic: 2 | 3;
  readonly release: RegExp;
  readonly quick?: boolean;
}

const KERNELS: readonly Omit<Row, 'smp' | 'gic' | 'quick'>[] = [
  { name: 'small 7.2', files: small, release: /^7\.2\./ },
  { name: 'debian-12', files: () => pulled('debian-12'), release: /^6\.1\..*cloud/ },
  { name: 'debian-13', files: () => pulled('debian-13'), release: /^6\.12\..*cloud/ },
  { name: 'debian-13-backports', files: () => pulled('debian-13-backports'), release: /^7\..*cloud/ },
  { name: 'debian-13-full', files: () => pulled('debian-13-full'), release: /^6\.12\..*arm64$/m },
  { name: 'debian-13-16k', files: () => pulled('debian-13-16k'), release: /^6\.12\..*16k$/m },
];

const QUICK = new Set(['small 7.2/1/3', 'small 7.2/4/3', 'small 7.2/1/2', 'debian-13/1/3', 'debian-12/4/2']);

const ROWS: readonly Row[] = KERNELS.flatMap((kernel) =>
  (
    [
      [1, 3],
      [4, 3],
      [1, 2],
      [4, 2],
    ] as const
  ).map(([smp, gic]) => ({
    ...kernel,
    smp,
    gic,
    quick: QUICK.has(`${kernel.name}/${smp}/${gic}`),
  })),
);

const LIMIT = 300_000;
const all = process.env.RINGFENCE_BOOT === 'all';

let guest: Guest | undefined;
afterEach(() => guest?.kill());

for (const row of ROWS.filter((candidate) => all || candidate.quick)) {
  const files = await row.files();
  describe.skipIf(!files)(`${row.name} with ${row.smp} CPUs and GICv${row.gic}`, () => {
    it('boots to a shell that works, without warnings, and powers off', { timeout: LIMIT }, async () => {
      if (!files) return;
      guest = await startGuest({ ...files, smp: row.smp, gic: row.gic });
      await guest.prompt();
      expect(await guest.command('uname -r')).toMatch(row.release);
      expect(await guest.command('nproc')).toBe(`${row.smp}\n`);
      expect(await guest.command('echo $((6*7)) | sed s/4/four/')).toBe('four2\n');
      const warnings = (await guest.command('dmesg -r | grep "^<[0-4]>"')).split('\n').filter(Boolean);
      expect(warnings).toEqual([]);
      expect(await guest.command('awk "BEGIN { print 2 / 3 * 1.1, 1e300 * 1e10, -7 % 3 }"')).toBe(
        '0.733333 inf -1\n',
      );
      guest.type('poweroff\r');
      expect((await guest.ended()).status).toBe(0);
    });
  });
}
