// The program of a compile thread (compile-thread.ts).

import { workerData } from 'node:worker_threads';
import { compileBatch } from '../../hypervisor/index.ts';
import type { CompileReply, CompileRequest, CompileThreadData } from './compile-thread.ts';

const { port, answers }: CompileThreadData = workerData;
const count = new Int32Array(answers);

port.on('message', ({ ticket, batch }: CompileRequest) => {
  const compiled = compileBatch(batch, () => performance.now());
  port.postMessage({ ticket, compiled } satisfies CompileReply);
  Atomics.add(count, 0, 1);
});
