// Writes docs/INSTRUCTIONS.md from the instruction table: `npm run docs:isa`.

import { mkdirSync, writeFileSync } from 'node:fs';
import { instructionsPage } from '../../../src/hardware/a64/page.ts';

mkdirSync('docs', { recursive: true });
writeFileSync('docs/INSTRUCTIONS.md', instructionsPage());
