/** What a gateway lets itself be asked. */
export interface Limits {
  /** Of a body, bytes. */
  readonly bodyBytes: number;
  /** Requests under way; one more is refused. */
  readonly requestsAtOnce: number;
  /** A request has to be there whole after so long, and no answer may stand still for it, ms. */
  readonly receiveMs: number;
  /** From the head of a request to its answer, ms. */
  readonly requestMs: number;
  /** How long requests under way may take at the end, ms. */
  readonly drainMs: number;
}

/** All headers of a request together, bytes. */
export const headerBytesMost = 16_384;
/** A connection that nobody asks anything on is closed after so long, ms. */
export const keepAliveMs = 60_000;
/** Open connections; one more is closed at once. */
export const connectionsMost = 4_096;
/** Bodies under way that may be larger than the usual limit; one more is refused. */
export const largeBodiesMost = 4;
