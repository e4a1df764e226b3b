// A bar on standard error for what takes long.

const WIDTH = 30;

export function progress(what: string, done: number, total: number, failures: number, started: number): void {
  const filled = Math.round((WIDTH * done) / total);
  const rate = Math.round(done / ((Date.now() - started) / 1000));
  const bar = `${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}`;
  const ending = done === total ? '\n' : '';
  process.stderr.write(`\r[${bar}] ${done}/${total} ${what}, ${failures} failures, ${rate}/s ${ending}`);
}
