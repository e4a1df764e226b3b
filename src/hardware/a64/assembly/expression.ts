// Constant expressions: numbers, labels, '.', and the operators of C on 64-bit integers.

const TOKEN =
  /\s*(0x[0-9a-f]+|0b[01]+|\d+[bf](?![\w.$])|\d+(?![\w.$])|[A-Za-z_.$][\w.$]*|<<|>>|[-+*/%&|^~()])/iy;

/** What names stand for. */
export interface Names {
  /** Address of the instruction. */
  readonly pc: bigint;
  /** Address of a label or value of a symbol, or undefined where there is none (yet). */
  readonly label: (name: string) => bigint | undefined;
}

/** Binary operators by how tightly they bind. */
const OPERATORS: readonly Readonly<Record<string, (a: bigint, b: bigint) => bigint | undefined>>[] = [
  { '|': (a, b) => a | b },
  { '^': (a, b) => a ^ b },
  { '&': (a, b) => a & b },
  {
    '<<': (a, b) => (b >= 0n && b < 64n ? a << b : undefined),
    '>>': (a, b) => (b >= 0n && b < 64n ? a >> b : undefined),
  },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': (a, b) => (b ? a / b : undefined), '%': (a, b) => (b ? a % b : undefined) },
];

function tokens(text: string): string[] | undefined {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (!token) return text.slice(at).trim() === '' ? found : undefined;
    found.push(token[1] as string);
    at = TOKEN.lastIndex;
  }
  return found;
}

/** The value of an expression, or undefined where it is none or names what is not known. */
export function evaluate(text: string, { pc, label }: Names): bigint | undefined {
  const list = tokens(text);
  if (!list || list.length === 0) return undefined;
  let at = 0;

  const primary = (): bigint | undefined => {
    const token = list[at++];
    if (token === undefined) return undefined;
    if (token === '(') {
      const n = binary(0);
      return list[at++] === ')' ? n : undefined;
    }
    if (token === '-' || token === '~' || token === '+') {
      const n = primary();
      if (n === undefined) return undefined;
      return token === '-' ? -n : token === '~' ? ~n : n;
    }
    if (token === '.') return pc;
    return /^\d+$|^0[xb]/i.test(token) ? BigInt(token.toLowerCase()) : label(token);
  };

  const binary = (level: number): bigint | undefined => {
    const operators = OPERATORS[level];
    if (!operators) return primary();
    let n = binary(level + 1);
    for (let operate = operators[list[at] ?? '']; operate; operate = operators[list[at] ?? '']) {
      at++;
      const m = binary(level + 1);
      n = n === undefined || m === undefined ? undefined : operate(n, m);
    }
    return n;
  };

  const n = binary(0);
  return at === list.length ? n : undefined;
}
