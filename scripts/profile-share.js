// What share of the processor time of a recorded run was spent in some of the sources, from a .cpuprofile of Node's and
// the bundle that ran (dist/cli.js by default), whose sections name their source files.
//
//   node --cpu-prof --cpu-prof-dir=/tmp/profile dist/cli.js run --kernel FILE --initrd FILE
//   node scripts/profile-share.js /tmp/profile src/hypervisor/ledger src/hypervisor/stage2
//
// Idle time does not count, nor does what an end that gives back (dispose, destroy) costs.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bundle = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/cli.js');
const SECTION = /^\/\/ (\S+\.ts)$/;
const END = new Set(['dispose', 'destroy']);

/** The source file of each line of the bundle. */
function sections() {
  let source = '';
  return readFileSync(bundle, 'utf8')
    .split('\n')
    .map((line) => {
      source = SECTION.exec(line)?.[1] ?? source;
      return source;
    });
}

const sources = sections();
const sourceOf = ({ callFrame: { url, lineNumber } }) =>
  basename(url) === basename(bundle) ? sources[lineNumber] : '';

function share(file, folders) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const stackOf = (id) => {
    const stack = [];
    for (let at = id; at !== undefined; at = parents.get(at)) stack.push(byId.get(at));
    return stack;
  };
  const isWithin = (node) => folders.some((folder) => sourceOf(node).startsWith(`${folder}/`));
  const times = new Map();
  for (const [n, id] of samples.entries()) times.set(id, (times.get(id) ?? 0) + timeDeltas[n]);
  let [total, own, inclusive] = [0, 0, 0];
  for (const [id, time] of times) {
    const stack = stackOf(id);
    const names = stack.map(({ callFrame }) => callFrame.functionName);
    if (names[0] === '(idle)' || names.some((name) => END.has(name))) continue;
    total += time;
    if (isWithin(stack[0])) own += time;
    if (stack.some(isWithin)) inclusive += time;
  }
  const percent = (time) => `${((100 * time) / total).toFixed(1)}%`;
  return `${(total / 1e6).toFixed(1)} s of processor time; within: ${percent(own)}, with what is called from there: ${percent(inclusive)}`;
}

const [profiles, ...folders] = process.argv.slice(2);
if (profiles === undefined || folders.length === 0) {
  console.error('profile-share.js FOLDER-OF-PROFILES SOURCE-FOLDER...');
  process.exit(2);
}
for (const name of readdirSync(profiles).filter((file) => file.endsWith('.cpuprofile')))
  console.log(share(join(profiles, name), folders));
