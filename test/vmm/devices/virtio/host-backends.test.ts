import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/lib/index.ts';
import { fileBlock, streamNet, unixVsock } from '../../../../src/vmm/devices/virtio/node.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtio-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a host file as a disk', () => {
  it('reads and writes in place', () => {
    const path = join(folder, 'disk');
    writeFileSync(path, Buffer.alloc(4096, 7));
    const disk = fileBlock(path);
    expect(disk.size).toBe(4096);
    disk.write(512, new Uint8Array(512).fill(9));
    disk.flush();
    const sector = new Uint8Array(512);
    disk.read(512, sector);
    expect(sector.every((byte) => byte === 9)).toBe(true);
    disk.dispose();
    expect(readFileSync(path)[1024]).toBe(7);
    expect(readFileSync(path)[1023]).toBe(9);
  });

  it('opens a file that nobody may write when it is read-only, and fails past its end', () => {
    const path = join(folder, 'disk');
    writeFileSync(path, Buffer.alloc(512), { mode: 0o444 });
    const disk = fileBlock(path, { readOnly: true });
    expect(disk.readOnly).toBe(true);
    expect(() => disk.read(256, new Uint8Array(512))).toThrow('EIO');
    disk.dispose();
    expect(() => fileBlock(join(folder, 'none'))).toThrow('ENOENT');
  });
});

describe('frames over a stream socket (QEMU -netdev stream)', () => {
  const log = silentLog;

  function collect() {
    const frames: number[][] = [];
    const links: boolean[] = [];
    const changed: (() => void)[] = [];
    const wake = () => {
      for (const resolve of changed.splice(0)) resolve();
    };
    const until = async (done: () => boolean) => {
      while (!done()) await new Promise<void>((resolve) => void changed.push(resolve));
    };
    const receiver = {
      frame: (frame: Uint8Array) => {
        frames.push([...frame]);
        wake();
      },
      link: (up: boolean) => {
        links.push(up);
        wake();
      },
    };
    return { frames, links, receiver, until };
  }

  async function peer(path: string): Promise<{ server: Server; socket: Promise<Socket> }> {
    const server = createServer();
    const socket = new Promise<Socket>((resolve) => server.once('connection', resolve));
    await new Promise<void>((resolve) => void server.listen(path, resolve));
    return { server, socket };
  }

  it('puts a big-endian length before each frame, and takes frames cut anywhere', async () => {
    const path = join(folder, 'socket');
    const { server, socket } = await peer(path);
    const net = streamNet({ address: { path }, log });
    const { frames, links, receiver, until } = collect();
    net.attach(receiver);
    const other = await socket;
    await until(() => links.at(-1) === true);
    const first = new Promise<Buffer>((resolve) => void other.once('data', resolve));
    net.send(new Uint8Array([1, 2, 3]));
    expect([...(await first)]).toEqual([0, 0, 0, 3, 1, 2, 3]);
    other.write(Buffer.from([0, 0, 0]));
    await new Promise((resolve) => setTimeout(resolve, 5));
    other.write(Buffer.from([2, 8, 9, 0, 0, 0, 1, 7]));
    await until(() => frames.length === 2);
    expect(frames).toEqual([[8, 9], [7]]);
    net.dispose();
    server.close();
  });

  it('takes the link down when the peer goes, or announces an absurd frame', async () => {
    const path = join(folder, 'socket');
    const { server, socket } = await peer(path);
    const net = streamNet({ address: { path }, log });
    const { links, receiver, until } = collect();
    net.attach(receiver);
    const other = await socket;
    other.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await until(() => links.at(-1) === false && links.includes(true));
    net.send(new Uint8Array([1]));
    net.dispose();
    server.close();
  });

  it('waits for its peer when it listens', async () => {
    const path = join(folder, 'socket');
    const net = streamNet({ address: { path }, listen: true, log });
    const { frames, receiver, until } = collect();
    net.attach(receiver);
    await new Promise((resolve) => setTimeout(resolve, 10));
    const other = connect(path);
    other.write(Buffer.from([0, 0, 0, 1, 42]));
    await until(() => frames.length === 1);
    expect(frames).toEqual([[42]]);
    other.destroy();
    net.dispose();
  });
});

describe('virtio sockets as unix sockets', () => {
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  it('joins a guest to the unix socket of its port, and refuses where there is none', async () => {
    const path = join(folder, 'vsock');
    const vsock = unixVsock({ path, log: silentLog });
    const heard: string[] = [];
    const server = createServer((socket) => {
      socket.on('data', (bytes) => {
        heard.push(bytes.toString());
        socket.end('pong');
      });
    });
    await new Promise<void>((resolve) => void server.listen(`${path}_80`, resolve));
    const sent: string[] = [];
    let ended = 0;
    const stream = (localPort: number) => ({
      localPort,
      guestPort: 1000,
      send: (bytes: Uint8Array) => sent.push(new TextDecoder().decode(bytes)) > 0,
      consumed: () => {},
      end: () => void ended++,
    });
    expect(vsock.accept(stream(81))).toBeUndefined();
    vsock.accept(stream(80))?.data(new TextEncoder().encode('ping'));
    await until(() => ended > 0);
    expect(heard).toEqual(['ping']);
    expect(sent).toEqual(['pong']);
    server.close();
    vsock.dispose();
  });

  it('joins a host process to the port of the guest that it asks for', async () => {
    const path = join(folder, 'vsock');
    const vsock = unixVsock({ path, log: silentLog });
    const asked: number[] = [];
    const sent: string[] = [];
    vsock.attach?.((guestPort, listener) => {
      asked.push(guestPort);
      setImmediate(() => {
        listener.connected?.();
        listener.data(new TextEncoder().encode('from guest'));
      });
      return {
        localPort: 77,
        guestPort,
        send: (bytes) => sent.push(new TextDecoder().decode(bytes)) > 0,
        consumed: () => {},
        end: () => {},
      };
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    let answer = '';
    const client = connect(path);
    client.on('data', (bytes) => {
      answer += bytes.toString();
    });
    client.write('CONNECT 2222\nfirst');
    await until(() => answer.length >= 16 && sent.length > 0);
    expect(answer).toBe('OK 77\nfrom guest');
    expect([asked, sent]).toEqual([[2222], ['first']]);
    const rude = connect(path);
    rude.write('GET / HTTP/1.1\n');
    await new Promise((resolve) => rude.once('close', resolve));
    client.destroy();
    vsock.dispose();
  });
});
