// Guests in a Web Worker of headless Chromium, as a program in Node has them: it serves the page, the worker and the
// files on a loopback port, gives the worker orders and gets its answers. Runs from the project's root.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { Chromium } from './chromium.ts';
import type { Answer, Order, Orders } from './chromium-worker.ts';

const WORKER = 'test/boot/chromium-worker.ts';
const PAGE = `<!doctype html><title>Ringfence</title><script>
const failed = (what) => fetch('/failed', { method: 'POST', body: what });
const worker = new Worker('/chromium-worker.js', { type: 'module' });
worker.onerror = ({ message, filename, lineno }) => failed(message + ' at ' + filename + ':' + lineno);
</script>`;

interface Served {
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** The worker and its chunks. What only Node has is in chunks of its own, which it never asks for. */
async function bundle(): Promise<Map<string, Served>> {
  const { outputFiles } = await build({
    entryPoints: [WORKER],
    outdir: 'build',
    bundle: true,
    splitting: true,
    platform: 'browser',
    format: 'esm',
    external: ['node:*'],
    write: false,
    logLevel: 'silent',
  });
  return new Map(
    outputFiles.map(({ path, contents }) => [
      `/${basename(path)}`,
      { type: 'text/javascript', body: contents },
    ]),
  );
}

export class ChromiumGuest implements Disposable {
  private readonly served: Map<string, Served>;
  private readonly server: Server;
  private chromium: Chromium | undefined;
  /** Where orders go, from when the worker asks for them. */
  private worker: ServerResponse | undefined;
  private readonly unsent: string[] = [];
  private readonly open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private next = 0;
  private failure: Error | undefined;

  /** `files` can be had by their names, as /name. */
  static async start(files: Readonly<Record<string, Uint8Array>>): Promise<ChromiumGuest> {
    const served = await bundle();
    served.set('/', { type: 'text/html', body: PAGE });
    for (const [name, body] of Object.entries(files))
      served.set(`/${name}`, { type: 'application/octet-stream', body });
    const made = new ChromiumGuest(served);
    await new Promise<void>((resolve) => made.server.listen(0, '127.0.0.1', resolve));
    const { port } = made.server.address() as AddressInfo;
    made.chromium = new Chromium(`http://127.0.0.1:${port}/`, (why) => made.fail(why));
    return made;
  }

  private constructor(served: Map<string, Served>) {
    this.served = served;
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  /** The process that the worker is in, once a guest runs there. */
  get pid(): number {
    if (!this.chromium) throw new Error('Chromium was not started');
    return this.chromium.renderer;
  }

  /** Has the worker do something. Rejects where it fails, and where the page or Chromium is gone. */
  order<K extends keyof Orders>(
    name: K,
    ...[argument]: Parameters<Orders[K]>
  ): Promise<Awaited<ReturnType<Orders[K]>>> {
    const order: Order = { id: this.next++, name, argument };
    const line = `${JSON.stringify(order)}\n`;
    return new Promise((resolve, reject) => {
      if (this.failure) {
        reject(this.failure);
        return;
      }
      this.open.set(order.id, { resolve: (value) => resolve(value as never), reject });
      if (this.worker) this.worker.write(line);
      else this.unsent.push(line);
    });
  }

  [Symbol.dispose](): void {
    this.fail('disposed of');
    this.chromium?.[Symbol.dispose]();
    this.server.close();
    this.server.closeAllConnections();
  }

  private fail(why: string): void {
    this.failure ??= new Error(`the guest in Chromium: ${why}`);
    for (const { reject } of this.open.values()) reject(this.failure);
    this.open.clear();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '' } = request;
    const file = this.served.get(url);
    if (url === '/orders') this.sendOrders(response);
    else if (request.method === 'POST') {
      const text = await bodyOf(request);
      response.end();
      if (url === '/answers') this.answered(JSON.parse(text) as Answer);
      else this.fail(text);
    } else if (file) response.writeHead(200, { 'content-type': file.type }).end(file.body);
    else response.writeHead(404).end();
  }

  private sendOrders(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders();
    response.once('close', () => this.fail('the page is gone'));
    for (const line of this.unsent.splice(0)) response.write(line);
    this.worker = response;
  }

  private answered({ id, value, error }: Answer): void {
    const waiting = this.open.get(id);
    this.open.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(`in Chromium: ${error}`));
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
