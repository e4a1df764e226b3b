// Which guest to start: the user's kernel, a pulled one, or the embedded guest that needs no network.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ImageError, pullImage } from '../images/index.ts';
import type { CliIo } from './command.ts';
import { hostError, usageError } from './exit-status.ts';
import { progressBar } from './progress.ts';

export interface Guest {
  readonly kernel: string;
  readonly initrd?: string | undefined;
  readonly append: string;
}

export interface GuestChoice {
  readonly image?: string | undefined;
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
  readonly append?: string | undefined;
}

export const EMBEDDED = 'embedded';
const DEFAULT_IMAGE = 'debian';

export async function chooseGuest(choice: GuestChoice, io: CliIo): Promise<Guest> {
  const { image, kernel, initrd, append } = choice;
  if (kernel !== undefined) {
    if (image !== undefined) throw usageError(`give either the image ${image} or --kernel, not both`);
    return { kernel, initrd, append: append ?? '' };
  }
  if (image === EMBEDDED) return embedded(choice, io);
  if (image !== undefined) return pulled(image, choice, io);
  if (initrd !== undefined)
    throw usageError('--initrd needs a kernel; add --kernel FILE or the name of an image');
  try {
    return await pulled(DEFAULT_IMAGE, choice, io);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    io.stderr.write(`ringfence: no Debian kernel here (${error.message}); starting the embedded guest\n`);
    return embedded(choice, io);
  }
}

async function pulled(name: string, choice: GuestChoice, { stderr }: CliIo): Promise<Guest> {
  const bar = progressBar(stderr);
  const image = await pullImage(name, { progress: bar.update }).finally(() => bar.finish());
  return {
    kernel: image.kernel,
    initrd: choice.initrd ?? image.initrd,
    append: choice.append ?? 'console=ttyAMA0',
  };
}

/** Without a person to type at its monitor the embedded guest runs its checks and powers off. */
function embedded({ append, initrd }: GuestChoice, { stdin }: CliIo): Guest {
  return { kernel: embeddedKernel(), initrd, append: append ?? (stdin.isTTY ? '' : 'auto') };
}

/** The project's root is the nearest folder above this code that holds its package.json. */
export function embeddedKernel(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isRoot(folder)) {
    const parent = dirname(folder);
    if (parent === folder)
      throw hostError('the embedded guest is missing from this installation; install it again');
    folder = parent;
  }
  return join(folder, 'guests/embedded.Image');
}

function isRoot(folder: string): boolean {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return false;
  const about: unknown = JSON.parse(readFileSync(file, 'utf8'));
  return typeof about === 'object' && about !== null && 'name' in about && about.name === 'ringfence';
}
