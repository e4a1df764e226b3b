import { defineConfig } from 'vitest/config';

// A test fails for what it finds, never for how busy the machine is: the limit only ends what hangs.
const LIMIT_MS = 300_000;

const { RINGFENCE_ENGINE, RINGFENCE_TRACE } = process.env;
const setupFiles = RINGFENCE_ENGINE || RINGFENCE_TRACE ? ['test/boot/engine.ts'] : [];

export default defineConfig({ test: { testTimeout: LIMIT_MS, hookTimeout: LIMIT_MS, setupFiles } });
