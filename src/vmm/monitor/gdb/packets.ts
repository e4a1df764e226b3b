// The framing of GDB's remote protocol (GDB manual, E.1): $payload#checksum, acknowledgements, the interrupt byte,
// escaped binary data. Payloads are strings with one character a byte. The sender is not trusted: what is too long
// or has a wrong checksum is refused, and noise between packets is skipped.

/** What PacketSize in qSupported promises to take, in bytes of payload. */
export const PACKET_SIZE = 0x4000;

export type GdbInput =
  | { readonly kind: 'packet'; readonly payload: string }
  /** A packet whose checksum is wrong, or that is longer than promised. */
  | { readonly kind: 'damaged' }
  /** Ctrl-C. */
  | { readonly kind: 'interrupt' }
  /** The last packet that we sent did not arrive well. */
  | { readonly kind: 'resend' };

const START = 0x24;
const END = 0x23;
const INTERRUPT = 3;
const NACK = 0x2d;
const NOTHING = -1;

const hexDigit = (byte: number): number => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(digit) ? 256 : digit;
};

export class PacketReader {
  private readonly payload = new Uint8Array(PACKET_SIZE);
  private length = 0;
  private sum = 0;
  private place: 'between' | 'inside' | 'checksum' = 'between';
  private firstDigit = NOTHING;

  /** What `bytes` complete, in order. */
  push(bytes: Uint8Array): GdbInput[] {
    const found: GdbInput[] = [];
    for (const byte of bytes) {
      const input = this.step(byte);
      if (input) found.push(input);
    }
    return found;
  }

  private step(byte: number): GdbInput | undefined {
    switch (this.place) {
      case 'between':
        if (byte === START) this.start();
        else if (byte === INTERRUPT) return { kind: 'interrupt' };
        else if (byte === NACK) return { kind: 'resend' };
        return undefined;
      case 'inside':
        if (byte === END) this.place = 'checksum';
        // Never part of a payload: the end of the last packet was lost.
        else if (byte === START) this.start();
        else {
          this.sum = (this.sum + byte) & 0xff;
          if (this.length < PACKET_SIZE) this.payload[this.length] = byte;
          if (this.length <= PACKET_SIZE) this.length++;
        }
        return undefined;
      case 'checksum':
        if (this.firstDigit === NOTHING) {
          this.firstDigit = hexDigit(byte);
          return undefined;
        }
        this.place = 'between';
        return this.complete(this.firstDigit * 16 + hexDigit(byte));
    }
  }

  private start(): void {
    this.place = 'inside';
    this.length = 0;
    this.sum = 0;
    this.firstDigit = NOTHING;
  }

  private complete(checksum: number): GdbInput {
    if (checksum !== this.sum || this.length > PACKET_SIZE) return { kind: 'damaged' };
    return { kind: 'packet', payload: latin1(this.payload.subarray(0, this.length)) };
  }
}

/** A packet on the wire. What is special in the payload must be escaped already. */
export function frame(payload: string): Uint8Array {
  let sum = 0;
  for (let n = 0; n < payload.length; n++) sum += payload.charCodeAt(n);
  return bytesOf(`$${payload}#${(sum & 0xff).toString(16).padStart(2, '0')}`);
}

/** Binary data within a payload (E.1). */
export function escapeBinary(data: string): string {
  return data.replace(/[#$}*]/g, (c) => `}${String.fromCharCode(c.charCodeAt(0) ^ 0x20)}`);
}

export function unescapeBinary(text: string): Uint8Array {
  return bytesOf(text.replace(/\}([\s\S])/g, (_, c: string) => String.fromCharCode(c.charCodeAt(0) ^ 0x20)));
}

/** One character a byte; characters beyond a byte are cut. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let n = 0; n < text.length; n++) bytes[n] = text.charCodeAt(n);
  return bytes;
}

export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Undefined for what is no even number of hex digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || /[^0-9a-f]/i.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let n = 0; n < bytes.length; n++) bytes[n] = Number.parseInt(text.slice(2 * n, 2 * n + 2), 16);
  return bytes;
}

/** An address: at most 64 bits, in hex. */
export function parseAddress(text: string): bigint | undefined {
  return /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;
}

/** A count or number: at most 32 bits, in hex. */
export function parseCount(text: string): number | undefined {
  return /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}
