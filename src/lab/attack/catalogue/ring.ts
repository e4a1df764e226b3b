// Attacks through a virtio ring in shared memory: by the VMM, which can rewrite what the guest has laid out, and by a
// guest that lays out what no driver would.

import { gpa, PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack, Attempt } from '../attack.ts';
import { BUFFER, GuestDisk, READ, WRITE_OUT } from '../disk.ts';
import { RINGS, SECRET } from '../layout.ts';
import type { Scene } from '../scene.ts';
import { bytesOf } from '../words.ts';

const SECTOR = 512n;
/** Where the address of the request's data stands. */
const DATA_ADDRESS = gpa(RINGS + 16);

/** An honest request, whose data the VMM leads elsewhere before the device looks. */
function redirected(scene: Scene, type: bigint, content: number): Attempt {
  const disk = new GuestDisk(scene);
  disk.image.fill(content);
  disk.layOut(type, BUFFER, SECTOR);
  disk.beforeService = () => {
    scene.write('the VMM', scene.space.port, scene.at(DATA_ADDRESS), bytesOf([BigInt(SECRET)]));
  };
  disk.ring();
  const refused = disk.refusedBy();
  const seen = disk.image.slice();
  disk.mustGoOn();
  return { ...refused, seen };
}

/** A ring that no driver makes: it breaks its queue, and only that. */
function broken(scene: Scene, spoil: (disk: GuestDisk) => void): Attempt {
  const disk = new GuestDisk(scene);
  disk.layOut(WRITE_OUT, BUFFER, SECTOR);
  spoil(disk);
  const { isBroken } = disk;
  scene.say(`the queue is ${isBroken ? 'broken' : 'in order'}: ${scene.warnings.join('; ')}`);
  disk.mustGoOn();
  return isBroken ? { rule: 'ring' } : {};
}

export const ringAttacks: readonly Attack[] = [
  {
    name: 'ring-descriptor-read',
    who: 'VMM',
    what: 'rewrites a descriptor in the shared ring, so that the disk is written from the private page',
    unprotected: 'leaks',
    run: (scene) => redirected(scene, WRITE_OUT, 0),
  },
  {
    name: 'ring-descriptor-write',
    who: 'VMM',
    what: 'rewrites a descriptor in the shared ring, so that a sector is read into the private page',
    unprotected: 'leaks',
    run: (scene) => redirected(scene, READ, 0x5a),
  },
  {
    name: 'ring-wild-address',
    who: 'guest',
    what: 'gives a device buffers at the end of the address space and where no memory is',
    unprotected: { stoppedBy: 'unmapped' },
    run(scene) {
      const disk = new GuestDisk(scene);
      disk.layOut(WRITE_OUT, 0xffff_ffff_ffff_fff0n, SECTOR);
      disk.ring();
      scene.say(`status ${disk.status}`);
      disk.layOut(WRITE_OUT, 0x20_0000_0000n, SECTOR);
      disk.ring();
      scene.say(`status ${disk.status}; ${scene.warnings.join('; ')}`);
      const rule = scene.vm.devicePort(8).read(0x20_0000_0000, new Uint8Array(8))?.rule;
      const failed = disk.status === 1n;
      disk.mustGoOn();
      return failed && rule !== undefined ? { rule } : {};
    },
  },
  {
    name: 'ring-huge-length',
    who: 'guest',
    what: 'gives a device a buffer of nearly 4 GiB',
    unprotected: { stoppedBy: 'ring' },
    run(scene) {
      const disk = new GuestDisk(scene);
      disk.layOut(READ, BUFFER, 0xffff_fe00n);
      disk.ring();
      const { status, isBroken } = disk;
      scene.say(`status ${status}; ${scene.warnings.join('; ')}`);
      disk.mustGoOn();
      return status === 1n || isBroken ? { rule: 'ring' } : {};
    },
  },
  {
    name: 'ring-index-ahead',
    who: 'guest',
    what: 'says that more buffers are available than the ring holds',
    unprotected: { stoppedBy: 'ring' },
    run: (scene) => broken(scene, (disk) => disk.ring(0n, 1000)),
  },
  {
    name: 'ring-head-outside',
    who: 'guest',
    what: 'names a descriptor outside the ring',
    unprotected: { stoppedBy: 'ring' },
    run: (scene) => broken(scene, (disk) => disk.ring(0xffffn)),
  },
  {
    name: 'ring-loop',
    who: 'guest',
    what: 'links descriptors in a circle',
    unprotected: { stoppedBy: 'ring' },
    run: (scene) =>
      broken(scene, (disk) => {
        const address = BigInt(BUFFER);
        disk.describe(0, { address, length: 16n, flags: 1n, next: 1n });
        disk.describe(1, { address, length: 16n, flags: 1n, next: 0n });
        disk.ring();
      }),
  },
  {
    name: 'ring-over-itself',
    who: 'guest',
    what: 'has the device write over the ring that it reads',
    unprotected: { stoppedBy: 'ring' },
    run(scene) {
      const disk = new GuestDisk(scene);
      disk.image.fill(0xff);
      disk.layOut(READ, RINGS, BigInt(PAGE_SIZE));
      disk.ring();
      const { isBroken } = disk;
      scene.say(`the queue is ${isBroken ? 'broken' : 'in order'}: ${scene.warnings.join('; ')}`);
      const { status } = disk;
      scene.say(`the status is ${status}`);
      disk.start();
      disk.mustGoOn();
      return isBroken || status !== undefined ? { rule: 'ring' } : {};
    },
  },
];
