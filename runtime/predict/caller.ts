import { MillraceError } from "../../schemas/errors.ts";

/** Whoever waits for an answer, and may leave before it is there. */
export class Caller {
  #isGone = false;
  #listeners: Set<() => void> | null = null;

  /** Whether nobody waits any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Has a listener told, once, when the caller leaves; what is returned takes that back. */
  onLeave(listener: () => void): () => void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** Nobody waits any more: the connection is closed, or it took too long. Idempotent. */
  leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const listener of this.#listeners ?? []) listener();
    this.#listeners = null;
  }

  /** @throws {MillraceError} REQUEST_ABANDONED where the caller has left. */
  refuseIfGone(): void {
    if (this.#isGone) throw new MillraceError("REQUEST_ABANDONED");
  }
}
