// The embedded guest: runs everywhere, needs nothing, and exercises most of the machine in a few million instructions.

import { afterEach, describe, expect, it } from 'vitest';
import { type Guest, type GuestOptions, onQemu, startGuest } from './drive.ts';
import { EMBEDDED } from './kernels.ts';

const LIMIT = 60_000;

let guest: Guest | undefined;
afterEach(() => guest?.kill());

async function boot(options: Partial<GuestOptions>): Promise<Guest> {
  guest = await startGuest({ kernel: EMBEDDED, memory: '128M', ...options });
  return guest;
}

describe('the embedded guest', () => {
  it.each([
    { smp: 1, gic: 3 },
    { smp: 4, gic: 3 },
    { smp: 8, gic: 3 },
    { smp: 1, gic: 2 },
    { smp: 4, gic: 2 },
  ] as const)(
    'passes all its checks with $smp CPUs and GICv$gic',
    { timeout: LIMIT },
    async ({ smp, gic }) => {
      const machine = await boot({ append: 'auto', smp, gic });
      const end = await machine.ended();
      expect(machine.console).toMatch(/\n\d+ checks passed, 0 failed\r?\n/);
      expect(machine.console).toContain(`${smp} CPU(s)`);
      expect(end.status).toBe(0);
    },
  );

  it.skipIf(onQemu)('checks tags where memory tagging is on', { timeout: LIMIT }, async () => {
    const machine = await boot({ append: 'auto', more: { cpu: { mte: true } } });
    expect((await machine.ended()).status).toBe(0);
    expect(machine.console).toMatch(/\ntags .*: ok\r?\n/);
  });

  it.skipIf(onQemu)('runs the same on both engines', { timeout: LIMIT }, async () => {
    const on = async (
      engine: 'interpreter' | 'jit',
    ): Promise<{ console: string; instructions: number | undefined }> => {
      const machine = await boot({ append: 'auto', smp: 2, more: { engine, cpu: { mte: true } } });
      const { instructions } = await machine.ended();
      return { console: machine.console, instructions };
    };
    expect(await on('jit')).toEqual(await on('interpreter'));
  });

  it('answers at its prompt and powers off', { timeout: LIMIT }, async () => {
    const machine = await boot({});
    await machine.until('ringfence> ');
    machine.type('echo hello there\r');
    await machine.until('echo hello there\r\nhello there\r\nringfence> ');
    machine.type('off\r');
    expect((await machine.ended()).status).toBe(0);
  });

  it.skipIf(onQemu)('resets and starts anew', { timeout: LIMIT }, async () => {
    const machine = await boot({});
    await machine.until('ringfence> ');
    machine.type('reset\r');
    await machine.until('Ringfence embedded guest');
    await machine.until('ringfence> ');
    machine.type('off\r');
    expect((await machine.ended()).status).toBe(0);
  });

  it.skipIf(onQemu)('crashes with status 3 and its reason', { timeout: LIMIT }, async () => {
    const machine = await boot({});
    await machine.until('ringfence> ');
    machine.type('panic\r');
    expect(await machine.ended()).toMatchObject({
      status: 3,
      message: 'Kernel panic - not syncing: asked for at the monitor',
    });
  });

  it.skipIf(onQemu)(
    'prints the same bytes and runs the same instructions twice',
    { timeout: LIMIT },
    async () => {
      const once = async (): Promise<{ console: string; instructions: number | undefined }> => {
        const machine = await boot({ append: 'auto', smp: 4 });
        const { instructions } = await machine.ended();
        return { console: machine.console, instructions };
      };
      expect(await once()).toEqual(await once());
    },
  );
});
