import type { Session } from "chdb";
import type { ChdbEngine } from "./chdb-engine.ts";

interface Kept {
  readonly session: Session;
  busy: boolean;
  timer: NodeJS.Timeout;
}

/** Sessions kept at once; another one is refused. */
const sessionsMax = 64;

/** The sessions that clients name by `session_id`: temporary tables and settings stay in them. */
export class FrontSessions {
  readonly #engine: ChdbEngine;
  readonly #kept = new Map<string, Kept>();

  constructor(engine: ChdbEngine) {
    this.#engine = engine;
  }

  /** Runs `work` in the session of the id; null: in none that is kept. */
  async use(
    id: string | null,
    timeoutMs: number,
    work: (session: Session | null) => Promise<void>,
  ): Promise<void> {
    if (id === null) return work(null);
    const kept = this.#kept.get(id) ?? this.#open(id);
    if (kept.busy) throw new Error(`Code: 373. DB::Exception: Session ${id} is locked`);
    kept.busy = true;
    clearTimeout(kept.timer);
    try {
      await work(kept.session);
    } finally {
      kept.busy = false;
      kept.timer = setTimeout(() => this.#drop(id), timeoutMs).unref();
    }
  }

  close(): void {
    for (const id of [...this.#kept.keys()]) this.#drop(id);
  }

  #open(id: string): Kept {
    if (this.#kept.size >= sessionsMax) {
      throw new Error(`Code: 202. DB::Exception: more than ${sessionsMax} sessions`);
    }
    const timer = setTimeout(() => {}, 0);
    const kept = { session: this.#engine.session(), busy: false, timer };
    this.#kept.set(id, kept);
    return kept;
  }

  #drop(id: string): void {
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    clearTimeout(kept?.timer);
    kept?.session.close();
  }
}
