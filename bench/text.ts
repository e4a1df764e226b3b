// Numbers and tables as the page shows them.

/** The middle value; of an even number of values the mean of the middle two. Throws RangeError for none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('a median needs a value');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** About three significant digits without an exponent: 1.23, 45.6, 789, 12345. */
export function significant(value: number): string {
  return value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
}

/** A Markdown table; columns from `textColumns` on are aligned to the right. */
export function table(
  heads: readonly string[],
  lines: readonly (readonly string[])[],
  textColumns = 1,
): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = heads.map((_, i) => (i < textColumns ? '---' : '---:'));
  return [row(heads), `|${rule.join('|')}|`, ...lines.map(row)].join('\n');
}

/** Sections of a Markdown text by their second-level heading. */
export function sectionsOf(text: string): Map<string, string> {
  const parts = text.split(/^## +(.+)$/m);
  const sections = new Map<string, string>();
  for (let i = 1; i < parts.length; i += 2) sections.set(parts[i]!.trim(), parts[i + 1]!.trim());
  return sections;
}
