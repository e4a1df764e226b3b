/** A token, or a key, that is not what it should be: bytes that nobody can verify. */
export class TokenError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'TokenError';
  }
}
