// Devices reach for private pages: emulated ones by guest-physical address, assigned ones through the host's IOMMU.

import { IommuDomain } from '../../../hypervisor/stage2/index.ts';
import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack } from '../attack.ts';
import { FRESH, IN_MEMFD, SECRET, SHARED, SPARE } from '../layout.ts';
import type { Scene } from '../scene.ts';

/** Requester ids of an emulated and of an assigned device. */
const EMULATED = 8;
const ASSIGNED = 16;
const FORGED = new Uint8Array(32).fill(0x5a);
const IOVA = 0x10_0000;

const emulated = (scene: Scene) => scene.vm.devicePort(EMULATED);

/** The guest takes its shared page back and keeps its secret there; false where it is refused. */
function takeBack(scene: Scene): boolean {
  if (!scene.mode.unshare(scene.guest, SHARED)) {
    scene.say('the guest is told that it cannot have its page back');
    return false;
  }
  scene.moveSecret(SHARED);
  return true;
}

export const deviceAttacks: readonly Attack[] = [
  {
    name: 'dma-read',
    who: 'device',
    what: 'reads the private page by DMA',
    unprotected: 'leaks',
    run: (scene) => scene.read('the device', emulated(scene), SECRET),
  },
  {
    name: 'dma-write',
    who: 'device',
    what: 'writes to the private page by DMA',
    unprotected: 'leaks',
    run: (scene) => scene.write('the device', emulated(scene), SECRET, FORGED),
  },
  {
    name: 'dma-straddle',
    who: 'device',
    what: 'reads from a shared page on into the private page behind it',
    unprotected: 'leaks',
    run(scene) {
      scene.moveSecret(SPARE);
      // An idle page lies between the two: one read over all three.
      return scene.read('the device', emulated(scene), SHARED, 2 * PAGE_SIZE + 32);
    },
  },
  {
    name: 'dma-after-unshare',
    who: 'device',
    what: 'uses a shared page, and goes on after the guest took it back',
    unprotected: 'leaks',
    run(scene) {
      const port = emulated(scene);
      scene.read('the device', port, SHARED);
      takeBack(scene);
      return scene.read('the device', port, SHARED);
    },
  },
  {
    name: 'dma-beyond',
    who: 'device',
    what: 'reads beyond the end of memory and around the end of the address space',
    unprotected: { stoppedBy: 'unmapped' },
    run(scene) {
      const port = emulated(scene);
      scene.read('the device', port, 2 ** 52 - 16, 32);
      scene.read('the device', port, -16, 32);
      return scene.read('the device', port, SECRET + 2 ** 40);
    },
  },
  {
    name: 'iommu-map-private',
    who: 'device',
    what: 'is assigned, and has the private page mapped for it by the VMM (VFIO)',
    unprotected: 'leaks',
    run(scene) {
      const domain = new IommuDomain(scene.host);
      const denied = scene.denied(
        'the VMM maps the page',
        () => domain.mapHva(IOVA, scene.space, scene.at(SECRET), PAGE_SIZE, true),
        { EPERM: 'sealed', EFAULT: 'sealed' },
      );
      const attempt = denied ?? scene.read('the assigned device', domain.port(ASSIGNED), IOVA);
      domain.dispose();
      return attempt;
    },
  },
  {
    name: 'iommu-map-memfd',
    who: 'device',
    what: 'is assigned, and has a private page of the guest_memfd mapped for it by file and offset',
    unprotected: 'leaks',
    run(scene) {
      scene.moveSecret(IN_MEMFD);
      const domain = new IommuDomain(scene.host, 'unmap');
      const denied = scene.denied(
        'the VMM maps the page',
        () => domain.mapMemfd(IOVA, scene.memfd, 0, PAGE_SIZE, true),
        { EPERM: 'sealed' },
      );
      const attempt = denied ?? scene.read('the assigned device', domain.port(ASSIGNED), IOVA);
      domain.dispose();
      return attempt;
    },
  },
  {
    name: 'iommu-map-early',
    who: 'device',
    what: 'is assigned, and has a page mapped for it that the guest has not touched yet',
    unprotected: 'leaks',
    fate: 'loses a page',
    run(scene) {
      const domain = new IommuDomain(scene.host);
      const denied = scene.denied(
        'the VMM maps the page',
        () => domain.mapHva(IOVA, scene.space, scene.at(FRESH), PAGE_SIZE, true),
        { EPERM: 'sealed' },
      );
      if (denied) return denied;
      const port = domain.port(ASSIGNED);
      scene.read('the assigned device', port, IOVA);
      const answer = scene.guestDoes(
        'keeps a secret there on vCPU 1',
        scene.guest.call(1, 'move', BigInt(FRESH)),
      );
      const sight = scene.read('the assigned device', port, IOVA);
      domain.dispose();
      if (answer.kind === 'failed') return { ...sight, rule: 'contained' };
      // vCPU 1 has a secret of its own: what tells is that its device sees what it stored.
      const stored = sight.seen?.some((byte) => byte !== 0) ?? false;
      return stored ? { gained: 'saw what the guest stored in the page' } : sight;
    },
  },
  {
    name: 'iommu-after-unshare',
    who: 'device',
    what: 'is assigned, uses a shared page, and goes on after the guest took it back',
    unprotected: 'leaks',
    run(scene) {
      const domain = new IommuDomain(scene.host);
      domain.mapGpa(IOVA, scene.vm.memory, SHARED, PAGE_SIZE, true);
      const port = domain.port(ASSIGNED);
      scene.read('the assigned device', port, IOVA);
      const took = takeBack(scene);
      const sight = scene.read('the assigned device', port, IOVA);
      domain.dispose();
      // The guest keeps its secret away from a page that a device still has.
      return took ? sight : { ...sight, rule: 'contained' };
    },
  },
  {
    name: 'iommu-after-unmap',
    who: 'device',
    what: 'is assigned, and goes on with a page after its map was removed',
    unprotected: { stoppedBy: 'contained' },
    run(scene) {
      const domain = new IommuDomain(scene.host);
      domain.mapGpa(IOVA, scene.vm.memory, SHARED, PAGE_SIZE, true);
      const port = domain.port(ASSIGNED);
      scene.read('the assigned device', port, IOVA);
      domain.unmap(IOVA, PAGE_SIZE);
      scene.say('the VMM unmaps the page');
      takeBack(scene);
      const sight = scene.read('the assigned device', port, IOVA);
      domain.dispose();
      return sight;
    },
  },
  {
    name: 'iommu-stray',
    who: 'device',
    what: 'is assigned, and reads addresses that its domain does not map',
    unprotected: { stoppedBy: 'contained' },
    run(scene) {
      const domain = new IommuDomain(scene.host);
      const port = domain.port(ASSIGNED);
      scene.read('the assigned device', port, SECRET);
      const sight = scene.read('the assigned device', port, scene.at(SECRET));
      domain.dispose();
      return sight;
    },
  },
  {
    name: 'iommu-read-only',
    who: 'device',
    what: 'is assigned, and writes to a page that was mapped for it to read',
    unprotected: { stoppedBy: 'read-only' },
    run(scene) {
      const domain = new IommuDomain(scene.host);
      domain.mapGpa(IOVA, scene.vm.memory, SHARED, PAGE_SIZE, false);
      const attempt = scene.write('the assigned device', domain.port(ASSIGNED), IOVA, FORGED);
      domain.dispose();
      return attempt;
    },
  },
];
