// A guest on the network through passt, which speaks QEMU's stream framing: DHCP, and HTTP from a server on this host.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Guest, startGuest } from './drive.ts';
import { anyLinux } from './kernels.ts';
import { hasPasst } from './tools.ts';

const LIMIT = 120_000;
const files = await anyLinux();

describe.skipIf(!files || !hasPasst)('Linux: network through passt', () => {
  let folder = '';
  let passt: ChildProcess | undefined;
  let server: Server | undefined;
  let guest: Guest | undefined;
  const socket = (): string => join(folder, 'socket');

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringfence-net-'));
    // Started as root, passt becomes nobody before it makes its socket.
    chmodSync(folder, 0o777);
    passt = spawn('passt', ['--foreground', '--one-off', '--socket', socket()], { stdio: 'ignore' });
    for (let tries = 0; !existsSync(socket()) && tries < 100; tries++) await sleep(50);
  });
  afterEach(() => guest?.kill());
  afterAll(() => {
    server?.close();
    passt?.kill();
    rmSync(folder, { recursive: true });
  });

  it('gets an address by DHCP and a page of 1 MiB from the host', { timeout: LIMIT }, async () => {
    if (!files) return;
    server = createServer((_, response) => response.end('x'.repeat(1 << 20)));
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;

    const append = `${files.append} quiet`;
    guest = await startGuest({ ...files, append, netSocket: socket(), clock: 'host' });
    await guest.prompt();
    const route = await guest.command('ip route');
    // passt maps the gateway's address to the host's loopback.
    const gateway = /default via (\S+)/.exec(route)?.[1];
    expect(gateway).toBeDefined();
    expect(await guest.command(`wget -q -O - http://${gateway}:${port}/ | wc -c`)).toBe(`${1 << 20}\n`);
    guest.type('poweroff\r');
    expect((await guest.ended()).status).toBe(0);
  });
});
