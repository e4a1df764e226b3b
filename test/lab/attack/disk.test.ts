// A driver of a protected guest that gives its disk private pages: the request fails, the log names the rule, and the
// device goes on.

import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { BUFFER, GuestDisk, READ, WRITE_OUT } from '../../../src/lab/attack/disk.ts';
import { MODES } from '../../../src/lab/attack/index.ts';
import { SECRET, SPARE } from '../../../src/lab/attack/layout.ts';
import { Scene } from '../../../src/lab/attack/scene.ts';
import { gpa } from '../../../src/lib/index.ts';

const IOERR = 1n;

describe.each(MODES.filter(({ isProtected }) => isProtected))('the disk of a guest in mode $name', (mode) => {
  it.each([
    ['a write from', WRITE_OUT, SECRET],
    ['a read into', READ, SECRET],
    ['a read into idle', READ, SPARE],
  ])('%s private memory fails, by the rule that the log names', (_, type, page) => {
    const scene = new Scene(mode);
    const disk = new GuestDisk(scene);
    disk.image.fill(0x5a);
    disk.layOut(type, page, 512n);
    disk.ring();
    expect(disk.status).toBe(IOERR);
    const what = type === READ ? 'read' : 'write';
    const said = new RegExp(
      `^virtio-blk: .*${what}.* failed: rule 'sealed' refused 0x${page.toString(16)}: no VMM, `,
    );
    expect(scene.warnings).toEqual([expect.stringMatching(said)]);
    expect(disk.image.every((byte) => byte === 0x5a)).toBe(true);
    // Neither the queue nor the device is the worse for it.
    expect(disk.isBroken).toBe(false);
    disk.layOut(WRITE_OUT, BUFFER, 512n);
    disk.ring();
    expect(disk.status).toBe(0n);
    expect(scene.warnings).toHaveLength(1);
    expect(scene.guest.beat(0)).toMatchObject({ kind: 'done', x: [0n, expect.anything(), 0n, 0n] });
    expect(audit(scene.host.ledger)).toEqual([]);
    scene.dispose();
  });

  it('a buffer that begins in shared and ends in private memory moves nothing', () => {
    const scene = new Scene(mode);
    const disk = new GuestDisk(scene);
    disk.image.fill(0x5a);
    // The buffer is the last shared page; what follows it is the guest's own.
    scene.must(scene.guest.call(0, 'store', BigInt(BUFFER + 4096), 7n));
    disk.layOut(READ, BUFFER + 4096 - 512, 1024n);
    disk.ring();
    expect(disk.status).toBe(IOERR);
    const shared = new Uint8Array(512);
    scene.space.port.read(scene.at(gpa(BUFFER)) + 4096 - 512, shared);
    expect(shared.every((byte) => byte === 0)).toBe(true);
    disk.mustGoOn();
    scene.dispose();
  });
});
