// The header before every packet of the socket device (virtio 1.3, 5.10.6).

export const HEADER_BYTES = 44;
/** Linux sends no more than this in a packet, and this device neither. */
export const MAX_PAYLOAD = 65536;
export const HOST_CID = 2;
export const TYPE_STREAM = 1;

export const OP = {
  REQUEST: 1,
  RESPONSE: 2,
  RST: 3,
  SHUTDOWN: 4,
  RW: 5,
  CREDIT_UPDATE: 6,
  CREDIT_REQUEST: 7,
} as const;

export const SHUTDOWN_RECEIVE = 1;
export const SHUTDOWN_SEND = 2;

export interface Header {
  readonly sourceCid: number;
  readonly destinationCid: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly length: number;
  readonly type: number;
  readonly op: number;
  readonly flags: number;
  readonly bufferSize: number;
  readonly forwarded: number;
}

export function decode(view: DataView): Header {
  return {
    sourceCid: view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true),
    destinationCid: view.getUint32(12, true) * 2 ** 32 + view.getUint32(8, true),
    sourcePort: view.getUint32(16, true),
    destinationPort: view.getUint32(20, true),
    length: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufferSize: view.getUint32(36, true),
    forwarded: view.getUint32(40, true),
  };
}

export function encode(view: DataView, header: Header): void {
  view.setUint32(0, header.sourceCid, true);
  view.setUint32(4, 0, true);
  view.setUint32(8, header.destinationCid, true);
  view.setUint32(12, 0, true);
  view.setUint32(16, header.sourcePort, true);
  view.setUint32(20, header.destinationPort, true);
  view.setUint32(24, header.length, true);
  view.setUint16(28, header.type, true);
  view.setUint16(30, header.op, true);
  view.setUint32(32, header.flags, true);
  view.setUint32(36, header.bufferSize, true);
  view.setUint32(40, header.forwarded, true);
}
