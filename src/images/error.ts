// What can go wrong while an image is fetched or made, in words for the person at the terminal: what happened, to
// which file or package, and what to do about it.

/** `usage`: the request cannot be met as asked (unknown name, unsuitable file). `host`: this machine or its network failed. */
export type ImageErrorKind = 'usage' | 'host';

export class ImageError extends Error {
  readonly kind: ImageErrorKind;

  constructor(kind: ImageErrorKind, sentence: string) {
    super(sentence);
    this.name = 'ImageError';
    this.kind = kind;
  }
}
