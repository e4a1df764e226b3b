// All commands, in the order in which help shows them.

import type { CliCommand } from '../command.ts';
import { attack } from './attack.ts';
import { check } from './check.ts';
import { explain } from './explain.ts';
import { lab } from './lab.ts';
import { lockstep } from './lockstep.ts';
import { pull } from './pull.ts';
import { replay } from './replay.ts';
import { run } from './run.ts';
import { token } from './token.ts';

export const COMMANDS: readonly CliCommand[] = [
  run,
  pull,
  check,
  explain,
  lockstep,
  attack,
  lab,
  replay,
  token,
];
