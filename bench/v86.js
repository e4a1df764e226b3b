// v86 as a program like the other emulators: a guest with its serial port on stdin and stdout.
//   node bench/v86.js KERNEL INITRD APPEND DISK BIOS VGABIOS MEBIBYTES

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { V86 } from 'v86';

const [kernel, initrd, cmdline, disk, bios, vgaBios, mebibytes] = process.argv.slice(2);

/** @param {string} file */
function image(file) {
  const bytes = readFileSync(file);
  return { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) };
}

const emulator = new V86({
  wasm_path: join(dirname(createRequire(import.meta.url).resolve('v86')), 'v86.wasm'),
  memory_size: Number(mebibytes) << 20,
  vga_memory_size: 2 << 20,
  bios: image(bios),
  vga_bios: image(vgaBios),
  bzimage: image(kernel),
  initrd: image(initrd),
  hda: image(disk),
  cmdline,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
  autostart: true,
});

emulator.add_listener('serial0-output-byte', (byte) => process.stdout.write(Uint8Array.of(byte)));
process.stdin.on('data', (bytes) => emulator.serial0_send(bytes.toString('latin1')));
