// Whoever carries a migration stream sends pages where they should not go, or calls them what they are not. What the
// hypervisor takes in is what counts: it does not trust the stream.

import { EVERYTHING } from '../../../hypervisor/slots/index.ts';
import { exportPage, importPage, type MigratedPage, VmMemory } from '../../../hypervisor/stage2/index.ts';
import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack } from '../attack.ts';
import { SECRET } from '../layout.ts';
import type { Scene } from '../scene.ts';

const GFN = SECRET / PAGE_SIZE;

/** The secret's page as it leaves: what only hypervisors see in plain. */
function departing(scene: Scene): MigratedPage {
  const page = exportPage(scene.vm.memory, GFN);
  if (page === undefined) throw new Error('the page does not leave');
  scene.say(`the page leaves as '${page.custody}'`);
  return page;
}

export const migrationAttacks: readonly Attack[] = [
  {
    name: 'migration-downgrade',
    who: 'migration',
    what: 'leads the stream into an ordinary VM, whose VMM then reads the page',
    unprotected: 'leaks',
    run(scene) {
      const { host, space } = scene;
      const there = new VmMemory(host, space, { extensions: EVERYTHING });
      there.enableMte();
      const hva = space.mmapAnonymous(PAGE_SIZE);
      there.setUserMemoryRegion({ slot: 0, flags: 0, gpa: SECRET, size: PAGE_SIZE, hva });
      const page = departing(scene);
      const denied = scene.denied('the page arrives', () => importPage(there, page), { EINVAL: 'exclusive' });
      const attempt = denied ?? scene.read('the other VMM', space.port, hva);
      there.destroy();
      return attempt;
    },
  },
  {
    name: 'migration-forge',
    who: 'migration',
    what: "sends a page of its own making in place of the guest's, and says that it is nobody's",
    unprotected: 'leaks',
    run(scene) {
      const { memory } = scene.vm;
      departing(scene);
      const page = {
        gfn: GFN,
        custody: 'plain',
        data: new Uint8Array(PAGE_SIZE).fill(0x5a),
        tags: undefined,
      } as const;
      return (
        scene.denied('the page arrives', () => importPage(memory, page), {
          EEXIST: 'frozen',
          EPERM: 'frozen',
        }) ?? {}
      );
    },
  },
];
