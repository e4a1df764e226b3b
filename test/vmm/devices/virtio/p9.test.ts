import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceEnv } from '../../../../src/vmm/devices/virtio/device.ts';
import { STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import { sharedFolder } from '../../../../src/vmm/devices/virtio/node.ts';
import { Virtio9p } from '../../../../src/vmm/devices/virtio/p9/device.ts';
import {
  MessageReader,
  MessageWriter,
  P9_ERRNO,
  R_LERROR,
  T,
} from '../../../../src/vmm/devices/virtio/p9/messages.ts';
import { faces } from './faces.ts';
import { bringUp, type MakeFace, testEnv } from './guest.ts';

const REQUEST = 0x1_0000;
const REPLY = 0x4_0000;
const ROOM = 0x2_0000;
const ROOT = 1;

let outside: string;
let folder: string;
beforeEach(() => {
  outside = realpathSync(mkdtempSync(join(tmpdir(), 'p9-')));
  folder = join(outside, 'shared');
  mkdirSync(folder);
  writeFileSync(join(outside, 'secret'), 'secret');
});
afterEach(() => rmSync(outside, { recursive: true }));

type Field = number | string | Uint8Array | { u8: number } | { u16: number } | { u64: number };

function up(makeFace: MakeFace = faces[0][1], readOnly = false) {
  const make = (env: DeviceEnv) =>
    new Virtio9p({ tag: 'home', tree: sharedFolder(folder, { readOnly }) }, env);
  const rig = bringUp(makeFace, make);
  let { face } = rig;
  const { memory, rings } = rig;
  const writer = new MessageWriter(new Uint8Array(0x1_0000));

  /** Sends one message and gives a reader of the reply's fields, or its error number. */
  function call(type: number, ...fields: Field[]): MessageReader {
    writer.start();
    for (const field of fields) {
      if (typeof field === 'number') writer.u32(field);
      else if (typeof field === 'string') writer.text(field);
      else if (field instanceof Uint8Array) {
        writer.bytes.set(field, writer.at);
        writer.at += field.length;
      } else if ('u8' in field) writer.u8(field.u8);
      else if ('u16' in field) writer.u16(field.u16);
      else writer.u64(field.u64);
    }
    writer.finish(type, 7);
    memory.bytes.set(writer.bytes.subarray(0, writer.at), REQUEST);
    rings[0].add([
      { address: REQUEST, length: writer.at },
      { address: REPLY, length: 11, write: true },
      { address: REPLY + 11, length: ROOM - 11, write: true },
    ]);
    face.notify(0);
    const [{ length }] = rings[0].take();
    const reply = new MessageReader(memory.bytes.slice(REPLY, REPLY + length));
    reply.start(0, length);
    expect([reply.u32(), reply.u8(), reply.u16()]).toEqual([length, memory.bytes[REPLY + 4], 7]);
    if (memory.bytes[REPLY + 4] === R_LERROR) throw new Error(nameOf(reply.u32()));
    expect(memory.bytes[REPLY + 4]).toBe(type + 1);
    return reply;
  }

  const walk = (fid: number, target: number, ...names: string[]) =>
    call(T.WALK, fid, target, { u16: names.length }, ...names).u16();
  const open = (fid: number, flags: number) => call(T.LOPEN, fid, flags);
  const read = (fid: number, offset: number, count: number) => {
    const reply = call(T.READ, fid, { u64: offset }, count);
    return new TextDecoder().decode(reply.take(reply.u32()));
  };
  const write = (fid: number, offset: number, text: string) => {
    const bytes = new TextEncoder().encode(text);
    return call(T.WRITE, fid, { u64: offset }, bytes.length, bytes).u32();
  };
  const stat = (fid: number) => {
    const reply = call(T.GETATTR, fid, { u64: 0x7ff });
    expect(reply.u64()).toBe(0x7ff);
    const type = reply.u8();
    reply.take(12);
    const [mode, uid, gid] = [reply.u32(), reply.u32(), reply.u32()];
    const [links, , size] = [reply.u64(), reply.u64(), reply.u64()];
    return { type, mode, uid, gid, links, size };
  };
  const restore = () => {
    const state = JSON.parse(JSON.stringify(face.save()));
    face = face.restored(make(testEnv(memory)), state);
  };
  call(T.VERSION, 65536, '9P2000.L');
  call(T.ATTACH, ROOT, 0xffff_ffff, 'root', '', 0);
  return { ...rig, call, walk, open, read, write, stat, restore };
}

const nameOf = (number: number) =>
  Object.keys(P9_ERRNO).find((name) => P9_ERRNO[name] === number) ?? `${number}`;
const inside = (...names: string[]) => join(folder, ...names);

describe.each(faces)('9p device over %s', (_, makeFace) => {
  it('tells its tag', () => {
    const { face } = up(makeFace);
    expect(face.config(0, 2)).toBe(4);
    expect([2, 3, 4, 5].map((at) => String.fromCharCode(face.config(at, 1))).join('')).toBe('home');
  });

  it('reads and writes a file', () => {
    writeFileSync(inside('a'), 'hello world');
    const { walk, open, read, write, stat } = up(makeFace);
    expect(walk(ROOT, 2, 'a')).toBe(1);
    expect(stat(2)).toMatchObject({ type: 0, size: 11 });
    open(2, 2);
    expect(read(2, 6, 100)).toBe('world');
    expect(read(2, 100, 10)).toBe('');
    expect(write(2, 6, 'there')).toBe(5);
    expect(readFileSync(inside('a'), 'utf8')).toBe('hello there');
  });
});

describe('9P2000.L', () => {
  it('agrees on the version and message size, or on none', () => {
    const { call } = up();
    const reply = call(T.VERSION, 1 << 30, '9P2000.L');
    expect([reply.u32(), reply.text()]).toEqual([512 * 1024, '9P2000.L']);
    expect(call(T.VERSION, 8192, '9P2000').take(11).subarray(6)).toEqual(new TextEncoder().encode('unkno'));
    expect(() => call(T.VERSION, 100, '9P2000.L')).toThrow('EINVAL');
    expect(() => call(T.GETATTR, ROOT, { u64: 0 })).toThrow('EBADF');
  });

  it('creates files and directories with the permissions asked for', () => {
    const { call, walk, write } = up();
    call(T.MKDIR, ROOT, 'dir', 0o750, 0);
    expect(lstatSync(inside('dir')).mode & 0o7777).toBe(0o750);
    walk(ROOT, 2, 'dir');
    call(T.LCREATE, 2, 'file', 0o102, 0o646, 0);
    write(2, 0, 'text');
    expect(readFileSync(inside('dir', 'file'), 'utf8')).toBe('text');
    expect(lstatSync(inside('dir', 'file')).mode & 0o7777).toBe(0o646);
    walk(ROOT, 3, 'dir');
    expect(() => call(T.LCREATE, 3, 'file', 0o102, 0o644, 0)).toThrow('EEXIST');
  });

  it('lists a directory in as many replies as it takes', () => {
    for (let i = 0; i < 300; i++) writeFileSync(inside(`file-${i}`), '');
    const { call, walk, open } = up();
    walk(ROOT, 2);
    open(2, 0);
    const names: string[] = [];
    for (let offset = 0, more = true; more; ) {
      const reply = call(T.READDIR, 2, { u64: offset }, 2000);
      const end = reply.u32();
      expect(end).toBeLessThanOrEqual(2000);
      more = end > 0;
      for (let left = end; left > 0; ) {
        reply.take(13);
        offset = reply.u64();
        reply.u8();
        const name = reply.text();
        names.push(name);
        left -= 13 + 8 + 1 + 2 + name.length;
      }
    }
    expect(names.length).toBe(302);
    expect(new Set(names).size).toBe(302);
    expect(names.slice(0, 2)).toEqual(['.', '..']);
  });

  it('links, reads links, renames and removes', () => {
    writeFileSync(inside('a'), 'text');
    const { call, walk, open, read, stat } = up();
    call(T.SYMLINK, ROOT, 'soft', 'a', 0);
    expect(readlinkSync(inside('soft'))).toBe('a');
    walk(ROOT, 2, 'soft');
    expect(call(T.READLINK, 2).text()).toBe('a');
    expect(stat(2).type).toBe(2);
    walk(ROOT, 3, 'a');
    call(T.LINK, ROOT, 3, 'hard');
    expect(stat(3).links).toBe(2);
    call(T.MKDIR, ROOT, 'dir', 0o755, 0);
    walk(ROOT, 4, 'dir');
    call(T.RENAMEAT, ROOT, 'a', 4, 'b');
    open(3, 0);
    expect(read(3, 0, 10)).toBe('text');
    expect(() => call(T.UNLINKAT, ROOT, 'dir', 0x200)).toThrow('ENOTEMPTY');
    call(T.UNLINKAT, 4, 'b', 0);
    call(T.UNLINKAT, ROOT, 'dir', 0x200);
    expect(existsSync(inside('dir'))).toBe(false);
    walk(ROOT, 5, 'hard');
    call(T.REMOVE, 5);
    expect(existsSync(inside('hard'))).toBe(false);
    expect(() => stat(5)).toThrow('EBADF');
  });

  it('keeps fids on their files when a directory above them is renamed', () => {
    mkdirSync(inside('old'));
    writeFileSync(inside('old', 'a'), 'text');
    const { call, walk, stat } = up();
    walk(ROOT, 2, 'old', 'a');
    walk(ROOT, 3, 'old');
    call(T.RENAME, 3, ROOT, 'new');
    expect(stat(2).size).toBe(4);
    expect(walk(3, 4, 'a')).toBe(1);
  });

  it('changes attributes', () => {
    writeFileSync(inside('a'), 'some text');
    const { call, walk } = up();
    walk(ROOT, 2, 'a');
    const none = [{ u64: 0 }, { u64: 0 }, { u64: 1_000_000 }, { u64: 0 }];
    call(T.SETATTR, 2, 1 | 8 | 32 | 256, 0o600, 0, 0, { u64: 4 }, ...none);
    const stat = lstatSync(inside('a'));
    expect([stat.mode & 0o7777, stat.size, stat.mtimeMs]).toEqual([0o600, 4, 1e9]);
  });

  it('walks as far as names lead, and reports how far', () => {
    mkdirSync(inside('dir'));
    writeFileSync(inside('dir', 'a'), '');
    const { walk, stat } = up();
    expect(walk(ROOT, 2, 'dir', 'none', 'more')).toBe(1);
    expect(() => stat(2)).toThrow('EBADF');
    expect(() => walk(ROOT, 2, 'none')).toThrow('ENOENT');
    expect(walk(ROOT, 2, 'dir', 'a')).toBe(2);
    expect(() => walk(ROOT, 2)).toThrow('EBUSY');
    expect(() => walk(2, 3, 'below-a-file')).toThrow('ENOTDIR');
  });

  it('changes nothing in a read-only tree', () => {
    writeFileSync(inside('a'), 'text');
    const { call, walk, open, read } = up(faces[0][1], true);
    walk(ROOT, 2, 'a');
    expect(() => open(2, 1)).toThrow('EROFS');
    expect(() => open(2, 0o1000)).toThrow('EROFS');
    expect(() => call(T.MKDIR, ROOT, 'dir', 0o755, 0)).toThrow('EROFS');
    expect(() => call(T.UNLINKAT, ROOT, 'a', 0)).toThrow('EROFS');
    expect(() => call(T.RENAMEAT, ROOT, 'a', ROOT, 'b')).toThrow('EROFS');
    expect(() => call(T.LCREATE, 2, 'x', 0o102, 0o644, 0)).toThrow('EROFS');
    open(2, 0);
    expect(read(2, 0, 9)).toBe('text');
  });

  it('opens files again after a restore', () => {
    writeFileSync(inside('a'), 'text');
    const { walk, open, read, write, restore } = up();
    walk(ROOT, 2, 'a');
    open(2, 0o1002);
    write(2, 0, 'kept');
    restore();
    expect(read(2, 0, 9)).toBe('kept');
    rmSync(inside('a'));
    restore();
    expect(() => read(2, 0, 9)).toThrow('EBADF');
  });
});

describe('a hostile 9p client', () => {
  it('cannot climb out of the tree by names', () => {
    const { walk, stat, call, open } = up();
    expect(walk(ROOT, 2, '..', '..', '..')).toBe(3);
    expect(stat(2).type).toBe(0x80);
    expect(() => walk(ROOT, 3, '..', 'secret')).not.toThrow();
    expect(() => open(3, 0)).toThrow('EBADF');
    for (const name of ['../secret', '/etc/passwd', '.', '', 'a/b', 'a\0b'])
      expect(() => walk(ROOT, 4, name)).toThrow('EINVAL');
    expect(() => call(T.LCREATE, ROOT, '..', 0o102, 0o644, 0)).toThrow('EINVAL');
    expect(() => call(T.RENAMEAT, ROOT, 'a', ROOT, '../b')).toThrow('EINVAL');
  });

  it('cannot climb out by symbolic links, planted before or after the walk', () => {
    symlinkSync(outside, inside('link'));
    symlinkSync(join(outside, 'secret'), inside('file'));
    mkdirSync(inside('dir'));
    writeFileSync(inside('dir', 'secret'), 'mine');
    const { walk, open, call } = up();
    expect(() => walk(ROOT, 2, 'file')).not.toThrow();
    expect(() => open(2, 0)).toThrow('ELOOP');
    expect(walk(ROOT, 3, 'link', 'secret')).toBe(1);
    walk(ROOT, 4, 'link');
    expect(() => walk(4, 5, 'secret')).toThrow('ELOOP');
    expect(() => call(T.LCREATE, 4, 'new', 0o102, 0o644, 0)).toThrow('ELOOP');
    expect(() => call(T.UNLINKAT, 4, 'secret', 0)).toThrow('ELOOP');
    walk(ROOT, 6, 'dir', 'secret');
    rmSync(inside('dir'), { recursive: true });
    symlinkSync(outside, inside('dir'));
    expect(() => open(6, 0)).toThrow('ELOOP');
    const none = [{ u64: 0 }, { u64: 0 }, { u64: 0 }, { u64: 0 }];
    expect(() => call(T.SETATTR, 6, 8, 0, 0, 0, { u64: 0 }, ...none)).toThrow('ELOOP');
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  it('gets an error for what is cut short, unknown or out of turn', () => {
    const { call, open, walk } = up();
    expect(() => call(T.WALK, ROOT)).toThrow('EPROTO');
    expect(() => call(T.WRITE, ROOT, { u64: 0 }, 1000)).toThrow('EPROTO');
    expect(() => call(200)).toThrow('EOPNOTSUPP');
    expect(() => call(T.READ, ROOT, { u64: 0 }, 10)).toThrow('EBADF');
    expect(() => call(T.ATTACH, ROOT, 0, '', '', 0)).toThrow('EBUSY');
    expect(() => walk(ROOT, 2, ...Array.from({ length: 17 }, () => 'x'))).toThrow('EINVAL');
    expect(() => open(ROOT, 1)).toThrow('EISDIR');
  });

  it('breaks the device only with a chain that holds no message', () => {
    const { face, rings } = up();
    rings[0].add([{ address: REQUEST, length: 6 }]);
    face.notify(0);
    expect(face.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
  });

  it('with random messages neither throws nor leaves the tree', () => {
    const { face, memory, rings } = up(faces[0][1], true);
    const types = Object.values(T);
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uint8Array({ minLength: 0, maxLength: 64 }), (type, body) => {
        memory.bytes.fill(0, REQUEST, REQUEST + 128);
        memory.view.setUint32(REQUEST, 7 + body.length, true);
        memory.bytes[REQUEST + 4] = type;
        memory.bytes.set(body, REQUEST + 7);
        rings[0].add([
          { address: REQUEST, length: 7 + body.length },
          { address: REPLY, length: 4096, write: true },
        ]);
        face.notify(0);
        const [{ length }] = rings[0].take();
        expect(memory.view.getUint32(REPLY, true)).toBe(length);
      }),
      { numRuns: 500, seed: 3 },
    );
    expect(face.status() & STATUS.NEEDS_RESET).toBe(0);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
  });
});
