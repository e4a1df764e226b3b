// Writes docs/ATTACKS.md: node scripts/run.js test/lab/attack/docs.ts

import { writeFileSync } from 'node:fs';
import { attacksPage, runAll } from './page.ts';

writeFileSync('docs/ATTACKS.md', attacksPage(runAll()));
