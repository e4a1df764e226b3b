// Where seeds and random-number devices get their bytes: the host's generator, or with the virtual clock a fixed
// sequence, since the same inputs must give the same run.

export type FillRandom = (into: Uint8Array) => void;

/** getRandomValues() takes no more at once. */
const CHUNK = 65536;

export const hostRandom: FillRandom = (into) => {
  for (let at = 0; at < into.length; at += CHUNK) {
    const part = new Uint8Array(Math.min(CHUNK, into.length - at));
    crypto.getRandomValues(part);
    into.set(part, at);
  }
};

/** SplitMix32: reproducible, and no secret. */
export function seededRandom(seed: number): FillRandom {
  let state = seed >>> 0;
  return (into) => {
    for (let i = 0; i < into.length; i++) {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      into[i] = (mixed ^ (mixed >>> 15)) >>> 24;
    }
  };
}
