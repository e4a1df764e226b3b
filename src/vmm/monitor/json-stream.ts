// Cuts a stream of bytes into JSON texts, as QMP sends them: one after another, with or without line ends. The
// sender is not trusted: length and depth are bounded, and garbage is skipped to the end of its line.

export interface JsonLimits {
  /** Characters in one text. */
  readonly length: number;
  /** Nested objects and arrays. */
  readonly depth: number;
}

export type JsonPiece = { readonly value: unknown } | { readonly error: string };

const DEFAULT_LIMITS: JsonLimits = { length: 1 << 20, depth: 64 };
const WHITE = /\s/;

export class JsonStream {
  private readonly limits: JsonLimits;
  private readonly decoder = new TextDecoder();
  private pieces: string[] = [];
  private length = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;
  private skipping = false;

  constructor(limits: JsonLimits = DEFAULT_LIMITS) {
    this.limits = limits;
  }

  /** The texts that `bytes` completes, in order; a text that is no JSON gives its error instead. */
  push(bytes: Uint8Array): JsonPiece[] {
    const text = this.decoder.decode(bytes, { stream: true });
    const found: JsonPiece[] = [];
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const end = this.step(text[i]);
      if (end === 'start') from = i;
      else if (end === 'end') {
        this.pieces.push(text.slice(from, i + 1));
        found.push(parse(this.pieces.join('')));
        this.clear();
      } else if (end !== undefined) {
        found.push({ error: end.error });
        this.clear();
        this.skipping = text[i] !== '\n';
      }
    }
    if (this.length > 0) this.pieces.push(text.slice(from));
    return found;
  }

  /** One character further: at a text's start or end, or at what makes it unusable. */
  private step(character: string): 'start' | 'end' | { readonly error: string } | undefined {
    if (this.skipping) {
      this.skipping = character !== '\n';
      return undefined;
    }
    if (this.length === 0) {
      if (WHITE.test(character)) return undefined;
      if (character !== '{' && character !== '[') return { error: `unexpected '${character}'` };
      this.length = 1;
      this.depth = 1;
      return 'start';
    }
    if (++this.length > this.limits.length) return { error: 'the message is too long' };
    if (this.inString) {
      if (this.escaped) this.escaped = false;
      else if (character === '\\') this.escaped = true;
      else if (character === '"') this.inString = false;
      return undefined;
    }
    switch (character) {
      case '"':
        this.inString = true;
        return undefined;
      case '{':
      case '[':
        return ++this.depth > this.limits.depth ? { error: 'the message is nested too deeply' } : undefined;
      case '}':
      case ']':
        return --this.depth === 0 ? 'end' : undefined;
      default:
        return undefined;
    }
  }

  private clear(): void {
    this.pieces = [];
    this.length = 0;
    this.depth = 0;
    this.inString = false;
    this.escaped = false;
  }
}

function parse(text: string): JsonPiece {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'not JSON' };
  }
}
