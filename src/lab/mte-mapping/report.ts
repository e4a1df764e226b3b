// The table for people.

import { DESIGNS } from './design.ts';
import type { Outcome } from './scenario.ts';

const COLUMNS: readonly (readonly [string, (o: Outcome) => string | number])[] = [
  ['design', (o) => o.design.name],
  ['reads done', (o) => `${o.completed}/${o.requests}`],
  ['VMM faults', (o) => o.vmmFaults],
  ['tags lost', (o) => o.lostTags],
  ['guest faults', (o) => o.guestFaults],
  ['tag bytes: made', (o) => o.initialised],
  ['read', (o) => o.tagsRead],
  ['written', (o) => o.tagsWritten],
];

export function formatOutcomes(outcomes: readonly Outcome[]): string {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...outcomes.map((o) => COLUMNS.map(([, of]) => String(of(o)))),
  ];
  const widths = COLUMNS.map((_, n) => Math.max(...rows.map((row) => (row[n] as string).length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, n) => (n === 0 ? cell.padEnd(widths[n] as number) : cell.padStart(widths[n] as number)))
      .join('  ');
  const legend = DESIGNS.map(({ name, says }) => `  ${name}: ${says}`);
  return [
    'A guest with memory tagging reads a disk into buffers that it has tagged, and reads them by tagged pointers.',
    'The VMM copies the data through its own mapping of guest memory:',
    ...legend,
    '',
    ...rows.map(line),
    '',
    'A VMM fault is a SIGSEGV without a bug anywhere. A lost tag is one that the guest set and no longer finds; its',
    'next access there is a guest fault. Tag bytes (two tags each) are what the mappings make, and what the accesses',
    'of the VMM read and write beside the data.',
  ].join('\n');
}
