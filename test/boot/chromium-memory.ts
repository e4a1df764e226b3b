// Whether the memory of a browser's process stays flat while a guest in a Web Worker there makes, loads and drops code
// without end:
//
//   node scripts/run.js test/boot/chromium-memory.ts [options] [jit] [modules] [mixed]
//
// The load is `jit` where none is named. Options, and what flat means: memory-watch.ts; the process is the one that
// Chromium has for the page. Needs Chromium, Debian (./ringfence pull debian-13), aarch64-linux-gnu-gcc and Linux.
// Exit status: 0 flat, 1 not, 2 unusable options or lacking a need.

import { readFileSync } from 'node:fs';
import { hasChromium, NEEDS_CHROMIUM } from './chromium.ts';
import { ChromiumGuest } from './chromium-guest.ts';
import { memoryGuest, memoryInitrd, NEEDS_GUEST } from './memory-guest.ts';
import { GUEST_MEMORY } from './memory-load.ts';
import { settings, type Watched, watchLoads } from './memory-watch.ts';
import { resident } from './resident.ts';

/** Ends by way of process.exit(), at which Chromium is ended too. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

async function main(): Promise<number> {
  const asked = settings(['jit']);
  if (typeof asked === 'string') {
    console.error(asked);
    return 2;
  }
  const files = await memoryGuest();
  if (!files || !hasChromium()) {
    console.error(`needs ${files ? NEEDS_CHROMIUM : NEEDS_GUEST}`);
    return 2;
  }
  for (const [signal, status] of Object.entries(SIGNALS)) process.once(signal, () => process.exit(status));
  const guest = await ChromiumGuest.start({
    kernel: readFileSync(files.kernel),
    initrd: memoryInitrd(files),
  });
  try {
    const { append } = files;
    await guest.order('boot', { kernel: '/kernel', initrd: '/initrd', append, memory: GUEST_MEMORY });
    const { pid } = guest;
    const watched: Watched = {
      work: ({ name }, n) => guest.order('work', { name, n }),
      sample: async () => ({ resident: resident(pid), counters: await guest.order('counters') }),
      collectGarbage: () => guest.order('collectGarbage'),
    };
    return (await watchLoads(watched, asked)) ? 0 : 1;
  } finally {
    guest[Symbol.dispose]();
  }
}

process.exitCode = await main();
