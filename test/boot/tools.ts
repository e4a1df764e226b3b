// Programs of the system that boot tests use, and which of them are here.

import { spawnSync } from 'node:child_process';

/** For programs that distributions keep where only root looks. */
export const SBIN = { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` };
export const hasExt4Tools = spawnSync('mke2fs', ['-V'], { env: SBIN }).status === 0;
export const hasPasst = spawnSync('passt', ['--version']).status === 0;
