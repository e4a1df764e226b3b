// Whether the process's memory stays flat under guests that make, load and drop code without end:
//
//   node scripts/run.js test/boot/memory.ts [options] [jit] [modules] [mixed]
//
// Options, and what flat means: memory-watch.ts. test/boot/chromium-memory.ts is the same in a browser. Needs Debian
// (./ringfence pull debian-13), aarch64-linux-gnu-gcc and Linux.
// Exit status: 0 flat, 1 not, 2 unusable options or lacking a need.

import { bootMemoryGuest, memoryGuest, NEEDS_GUEST } from './memory-guest.ts';
import { LOADS, runUnit } from './memory-load.ts';
import { settings, type Watched, watchLoads } from './memory-watch.ts';
import { collectGarbage, resident } from './resident.ts';

async function main(): Promise<number> {
  const asked = settings(LOADS.map(({ name }) => name));
  const files = await memoryGuest();
  if (typeof asked === 'string' || !files) {
    console.error(typeof asked === 'string' ? asked : `needs ${NEEDS_GUEST}`);
    return 2;
  }
  const { machine, guest } = await bootMemoryGuest(files);
  const watched: Watched = {
    work: (load, n) => runUnit(guest, load, n),
    sample: () => ({ resident: resident(), heap: process.memoryUsage(), counters: machine.stats().counters }),
    collectGarbage,
  };
  const flat = await watchLoads(watched, asked);
  machine.dispose();
  return flat ? 0 : 1;
}

process.exitCode = await main();
