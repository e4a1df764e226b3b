// A core dump into a file. The only part that needs Node.

import type { MachineDebugger } from '../../machine/index.ts';
import { type DumpOptions, type DumpSummary, dumpCore } from './dump.ts';

/** Makes the file, or writes over one that is there; parts of zeros take no space in it. */
export async function dumpCoreToFile(
  face: MachineDebugger,
  path: string,
  options: DumpOptions = {},
): Promise<DumpSummary> {
  const { open } = await import('node:fs/promises');
  const file = await open(path, 'w', 0o600);
  try {
    return await dumpCore(
      face,
      {
        async write(position, bytes) {
          for (let done = 0; done < bytes.length; ) {
            done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
          }
        },
        end: (length) => file.truncate(length),
      },
      options,
    );
  } finally {
    await file.close();
  }
}
