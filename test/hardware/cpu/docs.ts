// Writes docs/SYSTEM.md from the register and operation tables: `node scripts/run.js test/hardware/cpu/docs.ts`.

import { mkdirSync, writeFileSync } from 'node:fs';
import { systemPage } from '../../../src/hardware/cpu/page.ts';

mkdirSync('docs', { recursive: true });
writeFileSync('docs/SYSTEM.md', systemPage());
