import { clickHouseCode } from "../offline-error.ts";
import type { QuerySettings } from "./chdb-engine.ts";

/**
 * Statements of clients that run at once, of the eight that the engine runs: two are left for
 * inserts, and for the run itself.
 */
const lanes = { long: 5, quick: 1 } as const;
type Lane = keyof typeof lanes;

/** Statements that wait for room; one more is refused. */
const waitingMost = 64;

/** What a statement may do in the quick lane; one that wants more goes on in a long one. */
const quickLimits: QuerySettings = {
  max_execution_time: 1,
  function_sleep_max_microseconds_per_block: 1,
};

/** TIMEOUT_EXCEEDED and TOO_SLOW: what the limits of the quick lane end with. */
const overQuickLimits: ReadonlySet<string> = new Set(["159", "160"]);

interface Waiting {
  /** Whether it may go through the quick lane. */
  readonly quick: boolean;
  readonly enter: (lane: Lane) => void;
}

/**
 * Lets statements of clients run, so that those that take long (or sleep) hold up neither each
 * other's short ones nor the run: where all long lanes are taken, a statement that only reads is
 * tried in a quick lane.
 */
export class FrontGate {
  readonly #free: Record<Lane, number> = { ...lanes };
  readonly #waiting: Waiting[] = [];

  /**
   * @param work - runs the statement under further settings; again where the quick lane was too
   * short for it.
   * @param mayRepeat - whether it only reads, and nothing of its answer has been sent.
   * @throws {Error} with ClickHouse's code 202 when too many wait.
   */
  async run<T>(work: (limits: QuerySettings) => Promise<T>, mayRepeat: () => boolean): Promise<T> {
    const lane = await this.#enter(mayRepeat());
    if (lane === "long") return this.#in(lane, () => work({}));
    try {
      return await this.#in(lane, () => work(quickLimits));
    } catch (error) {
      const isOver = overQuickLimits.has(clickHouseCode(String(error)));
      if (!isOver || !mayRepeat()) throw error;
    }
    return this.#in(await this.#enter(false), () => work({}));
  }

  async #in<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.#leave(lane);
    }
  }

  async #enter(quick: boolean): Promise<Lane> {
    const wanted: readonly Lane[] = quick ? ["long", "quick"] : ["long"];
    const lane = wanted.find((each) => this.#free[each] > 0);
    if (lane !== undefined) {
      this.#free[lane]--;
      return lane;
    }
    if (this.#waiting.length >= waitingMost) {
      throw new Error(`Code: 202. DB::Exception: more than ${waitingMost} statements wait`);
    }
    return new Promise((enter) => this.#waiting.push({ quick, enter }));
  }

  #leave(lane: Lane): void {
    const next = this.#waiting.findIndex(({ quick }) => lane === "long" || quick);
    const [waiting] = next < 0 ? [] : this.#waiting.splice(next, 1);
    if (waiting === undefined) this.#free[lane]++;
    else waiting.enter(lane);
  }
}
