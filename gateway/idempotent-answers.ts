import { createHash } from "node:crypto";
import { MillraceError } from "../schemas/errors.ts";
import type { Answer } from "./door.ts";

interface Kept {
  readonly digest: string;
  readonly at: number;
  readonly answer: Promise<Answer>;
  bytes: number;
}

/** How long an answer is kept, ms. */
export const keptMs = 600_000;
/** Answers and their bytes, at most: the oldest go first. */
const most = { answers: 50_000, bytes: 33_554_432 };

/**
 * Answers by the idempotency keys of their requests, in the memory of this process: a request that
 * comes again within ten minutes gets the answer of the first one, and nothing is done twice. What
 * failed may be tried again.
 */
export class IdempotentAnswers {
  readonly #kept = new Map<string, Kept>();
  readonly #now: () => number;
  #bytes = 0;

  /** @param now - ms, of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @throws {MillraceError} IDEMPOTENCY_CONFLICT for a key that was used for another request. */
  async once(key: string, request: unknown, work: () => Promise<Answer>): Promise<Answer> {
    this.#forget();
    const digest = createHash("sha256").update(JSON.stringify(request)).digest("base64");
    const before = this.#kept.get(key);
    if (before !== undefined) {
      if (before.digest !== digest) {
        throw new MillraceError("IDEMPOTENCY_CONFLICT", { where: "headers.idempotency-key" });
      }
      const answer = await before.answer;
      return { ...answer, headers: { ...answer.headers, "idempotency-replayed": "true" } };
    }
    const kept: Kept = { digest, at: this.#now(), answer: work(), bytes: 0 };
    this.#kept.set(key, kept);
    try {
      const answer = await kept.answer;
      kept.bytes = Buffer.byteLength(JSON.stringify(answer.body)) + key.length;
      if (this.#kept.get(key) === kept) this.#bytes += kept.bytes;
      return answer;
    } catch (error) {
      if (this.#kept.get(key) === kept) this.#kept.delete(key);
      throw error;
    }
  }

  /** What is too old or too much; they stand in the order of their times. */
  #forget(): void {
    const oldest = this.#now() - keptMs;
    for (const [key, { at, bytes }] of this.#kept) {
      const isTooMuch = this.#kept.size > most.answers || this.#bytes > most.bytes;
      if (at > oldest && !isTooMuch) return;
      this.#kept.delete(key);
      this.#bytes -= bytes;
    }
  }
}
