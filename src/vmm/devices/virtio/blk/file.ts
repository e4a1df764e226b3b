// A host file as a disk, read and written synchronously so that a run stays deterministic. Node only.

import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { type Disposable, Errno } from '../../../../lib/index.ts';
import type { BlockBackend } from './backend.ts';

export interface FileBlockOptions {
  /** Default: false. */
  readonly readOnly?: boolean;
}

/** Opens `path` as a raw disk image. Throws what node:fs throws when it cannot be opened. */
export function fileBlock(path: string, options: FileBlockOptions = {}): BlockBackend & Disposable {
  const readOnly = options.readOnly ?? false;
  const fd = openSync(path, readOnly ? 'r' : 'r+');
  const size = fstatSync(fd).size;
  return {
    size,
    readOnly,
    read(offset, into) {
      for (let done = 0; done < into.length; ) {
        const count = readSync(fd, into, done, into.length - done, offset + done);
        if (count === 0) throw new Errno('EIO', `${path} ended before byte ${offset + into.length}`);
        done += count;
      }
    },
    write(offset, from) {
      for (let done = 0; done < from.length; )
        done += writeSync(fd, from, done, from.length - done, offset + done);
    },
    flush: () => fdatasyncSync(fd),
    dispose: () => closeSync(fd),
  };
}
