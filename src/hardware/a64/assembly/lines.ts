// Source text taken apart into lines of one label, directive or instruction each, in one spelling: single blanks,
// ', ' between operands, none inside brackets.

export interface SourceLine {
  /** From 1. */
  readonly number: number;
  readonly labels: readonly string[];
  /** What stands behind the labels, or ''. */
  readonly text: string;
}

/** Comments go: C's, C++'s, and '#' or '@' at the start of a line. Strings stay. */
const withoutComments = (text: string): string =>
  text
    .replace(/("(?:\\.|[^"\\\n])*")|\/\*[\s\S]*?\*\/|\/\/.*$/gm, (comment, kept?: string) =>
      kept === undefined ? comment.replace(/[^\n]/g, ' ') : kept,
    )
    .replace(/^\s*[#@].*$/gm, '');

/** Text in strings stays as it is. */
const normalised = (text: string): string =>
  text
    .split(/("(?:\\.|[^"\\])*")/)
    .map((piece, k) =>
      k % 2
        ? piece
        : piece
            .replace(/\s+/g, ' ')
            .replace(/ ?, ?/g, ', ')
            .replace(/([[{]) /g, '$1')
            .replace(/ ([\]}!])/g, '$1')
            .replace(/\{([^}]*)\}/g, (_, inside: string) => `{${inside.replace(/ ?- ?/g, '-')}}`),
    )
    .join('')
    .trim();

export function* sourceLines(source: string): Generator<SourceLine> {
  for (const [k, line] of withoutComments(source).split('\n').entries()) {
    for (const statement of line.split(/;(?=(?:[^"]*"[^"]*")*[^"]*$)/)) {
      let text = statement.trim();
      const labels: string[] = [];
      for (;;) {
        const found = /^([\w.$]+):\s*/.exec(text);
        if (!found) break;
        labels.push(found[1] as string);
        text = text.slice(found[0].length);
      }
      if (labels.length > 0 || text) yield { number: k + 1, labels, text: normalised(text) };
    }
  }
}

/** Operands of a normalised instruction: commas inside brackets and braces do not part them. */
export function operandsOf(text: string): string[] {
  const result: string[] = [];
  let depth = 0;
  let from = 0;
  for (let k = 0; k < text.length; k++) {
    const c = text[k] as string;
    if ('[{'.includes(c)) depth++;
    else if (']}'.includes(c)) depth--;
    else if (c === ',' && depth === 0) {
      result.push(text.slice(from, k).trim());
      from = k + 1;
    }
  }
  const last = text.slice(from).trim();
  if (last) result.push(last);
  return result;
}
