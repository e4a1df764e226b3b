// The face that a port shows to its actor. Every actor reaches memory through one of these and in no other way;
// ports ask the ledger's decide() and only cache its answers.

/** Why an access was not allowed: the rule that said no, in one line that a person can read. */
export interface Refusal {
  /** The rule's id, e.g. 'sealed', 'contained', 'unmapped'; 'no-memory' where the host has no frame left. */
  readonly rule: string;
  readonly reason: string;
  /** The first address, in the port's own address space, that was refused. */
  readonly address: number;
  /** What the VMM's own thread would be sent; for its port by HVA only. */
  readonly signal?: 'SIGSEGV' | 'SIGBUS';
}

/**
 * Bytes in and out of somebody's address space (IOVAs for a device, HVAs for the VMM, GPAs for the debugger).
 * A refused access has no effect at all: the whole range is decided before the first byte moves.
 */
export interface MemoryPort {
  /** Fills `into` from `address` on. Returns why not, or undefined when done. */
  read(address: number, into: Uint8Array): Refusal | undefined;
  /** Stores `from` at `address`. Tags are never touched; dirty logging sees the write. */
  write(address: number, from: Uint8Array): Refusal | undefined;
}
