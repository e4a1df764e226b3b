// npm run bench: the same guest work on Ringfence and on qemu-system-aarch64, interleaved in one run, because machines
// differ and drift. Prints a table of medians and writes it to docs/PERFORMANCE.md.
//   npm run bench -- [--rounds N] [--only ringfence|qemu] [--image NAME] [--dry]   (--dry leaves the file alone)

import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PEERS, Session } from './peer.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const ROWS = [
  { name: 'boot to the shell', run: (session) => session.boot() },
  {
    name: 'shell loop, 100,000 turns',
    run: (session) => session.time('i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'),
  },
  {
    name: 'sha256sum of 32 MiB of zeros',
    run: (session) => session.time('dd if=/dev/zero bs=1M count=32 2>/dev/null | sha256sum >/dev/null'),
  },
  {
    name: 'gzip of 32 MiB of zeros',
    run: (session) => session.time('dd if=/dev/zero bs=1M count=32 2>/dev/null | gzip >/dev/null'),
  },
];

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    image: { type: 'string', default: 'debian-13' },
    dry: { type: 'boolean', default: false },
  },
});

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

/** The kernel and initramfs of a pulled image, from the command that makes them. */
function pulled(name) {
  const out = execFileSync(join(root, 'ringfence'), ['pull', name], { encoding: 'utf8' });
  const field = (key) => new RegExp(`^${key} (.*)$`, 'm').exec(out)[1];
  return { kernel: field('kernel'), initrd: field('initrd'), append: 'console=ttyAMA0 quiet' };
}

function present(peer) {
  if (options.only && options.only !== peer) return false;
  return peer !== 'qemu' || spawnSync('qemu-system-aarch64', ['--version']).status === 0;
}

async function round(peer, guest, results) {
  const session = new Session(peer, guest);
  try {
    for (const row of ROWS) results.seconds[row.name].push(await row.run(session));
    results.mebibytes.push(session.peakMebibytes() ?? 0);
    const counters = await session.finish();
    if (counters) results.counters.push(counters);
  } catch (error) {
    session.kill();
    results.failure = `${PEERS[peer].title}: ${error.message}`;
  }
}

async function measure(peers, guest) {
  const results = new Map(
    peers.map((peer) => [
      peer,
      { seconds: Object.fromEntries(ROWS.map((row) => [row.name, []])), mebibytes: [], counters: [] },
    ]),
  );
  const rounds = Number(options.rounds);
  for (let i = 0; i < rounds; i++) {
    // Each round starts with another peer, so that warm caches favour nobody.
    for (let p = 0; p < peers.length; p++) {
      const peer = peers[(i + p) % peers.length];
      const result = results.get(peer);
      if (result.failure) continue;
      process.stderr.write(`round ${i + 1}/${rounds}: ${PEERS[peer].title}\n`);
      await round(peer, guest, result);
    }
  }
  return results;
}

function table(peers, results) {
  const cell = (peer, row) => {
    const seconds = results.get(peer).seconds[row.name];
    return seconds.length > 0 ? median(seconds) : undefined;
  };
  const lines = [
    `| guest work | ${peers.map((peer) => PEERS[peer].title).join(' | ')} |${peers.length > 1 ? ' ratio |' : ''}`,
    `|---|${peers.map(() => '---:|').join('')}${peers.length > 1 ? '---:|' : ''}`,
  ];
  for (const row of ROWS) {
    const times = peers.map((peer) => cell(peer, row));
    const shown = times.map((s) => (s === undefined ? '-' : `${s.toFixed(2)} s`));
    const [mine, other] = times;
    const ratio = mine !== undefined && other !== undefined ? ` ${(mine / other).toFixed(1)}x |` : ' - |';
    lines.push(`| ${row.name} | ${shown.join(' | ')} |${peers.length > 1 ? ratio : ''}`);
  }
  const memory = peers.map((peer) =>
    results.get(peer).mebibytes.length > 0 ? `${median(results.get(peer).mebibytes)} MiB` : '-',
  );
  lines.push(`| largest resident set (1 GiB guest) | ${memory.join(' | ')} |${peers.length > 1 ? ' |' : ''}`);
  return lines.join('\n');
}

function speed(results) {
  const counters = results.get('ringfence')?.counters ?? [];
  if (counters.length === 0) return '';
  const rates = counters.map((c) => c.instructions / c.wallSeconds / 1e6);
  const count = median(counters.map((c) => c.instructions)) / 1e9;
  return `\nRingfence ran ${count.toFixed(2)} G guest instructions in such a session, ${median(rates).toFixed(0)} million a second of wall time.\n`;
}

const peers = Object.keys(PEERS).filter(present);
const guest = pulled(options.image);
const results = await measure(peers, guest);
const failures = [...results.values()].map((result) => result.failure).filter(Boolean);
const qemu = peers.includes('qemu')
  ? `, ${execFileSync('qemu-system-aarch64', ['--version'], { encoding: 'utf8' }).split('\n')[0]} (TCG, -cpu max,pauth-impdef=on)`
  : '';
const page = `# Performance

Made by \`npm run bench\`: medians of ${options.rounds} rounds, the peers interleaved in one run, each from the start of its
process; guest ${options.image}, one CPU. Less is better; the ratio is Ringfence's time over the other's.
Machine: ${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} CPUs; Node.js ${process.versions.node}${qemu}.

${table(peers, results)}
${speed(results)}`;
process.stdout.write(page);
for (const failure of failures) process.stderr.write(`bench: ${failure}\n`);
if (!options.dry && failures.length === 0) writeFileSync(join(root, 'docs/PERFORMANCE.md'), page);
process.exitCode = failures.length > 0 ? 1 : 0;
