import { Agent, request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { GeneratedFlights } from "../../examples/flights/load/generated-flights.ts";
import { setLocalClock } from "../../examples/flights/local-clock.ts";

export interface AskingOptions {
  /** Of the gateway, e.g. `http://127.0.0.1:8080`. */
  readonly gateway: string;
  /** Requests a second. */
  readonly rate: number;
  /** Records of a request. */
  readonly rows: number;
}

/** Requests under way at most; what would be one more is not sent. */
const underWayMost = 100;
/** A request that has no answer by then has none, ms. */
const answerMs = 30_000;
const hourMs = 3_600_000;

/**
 * Asks for predictions at a constant rate, whatever takes how long (an open loop), each record a
 * flight of its own.
 */
export class AskedPredictions {
  /** Ids of the answers. */
  readonly answered = new Set<number>();
  /** Ids of requests that failed: a prediction may stand in the log all the same. */
  readonly unsure = new Set<number>();
  /** Answered by the fallback. */
  fallbacks = 0;
  /** Requests that were not sent, for too many were under way. */
  dropped = 0;
  /** By what came in place of an answer how often. */
  readonly failures = new Map<string, number>();
  /** From when a request was due to its answer, ms. */
  readonly latencies: number[] = [];
  readonly #options: AskingOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #flights = new GeneratedFlights(1);
  readonly #firstId = Math.floor(Date.now() / 1_000) * 1_000_000;
  #flight = 0;
  #underWay = 0;

  constructor(options: AskingOptions) {
    this.#options = options;
  }

  /** Asks until it is aborted; resolves once nothing is under way. */
  async run(over: AbortSignal): Promise<void> {
    const { rate } = this.#options;
    const began = performance.now();
    for (let sent = 0; !over.aborted; ) {
      const due = began + (sent * 1_000) / rate;
      const early = due - performance.now();
      if (early > 0) {
        await wait(early);
        continue;
      }
      sent++;
      if (this.#underWay >= underWayMost) this.dropped++;
      else void this.ask(due);
    }
    while (this.#underWay > 0) await wait(10);
    this.#agent.destroy();
  }

  /** One request; never rejects. @param due - by `performance.now()`. */
  async ask(due: number): Promise<void> {
    this.#underWay++;
    const records = Array.from({ length: this.#options.rows }, () => this.#record());
    const ids = records.map(({ flightId }) => flightId);
    try {
      const { status, text } = await this.#post(JSON.stringify({ records }));
      if (status !== 200) throw new Error(`${status} ${text.slice(0, 200)}`);
      const { predictions } = JSON.parse(text) as Answer;
      if (predictions.map(({ id }) => id).join() !== ids.join()) throw new Error("other flights");
      for (const id of ids) this.answered.add(id);
      this.fallbacks += predictions.filter(({ fallbackReason }) => fallbackReason !== null).length;
      this.latencies.push(performance.now() - due);
    } catch (error) {
      for (const id of ids) this.unsure.add(id);
      const why = String(error);
      this.failures.set(why, (this.failures.get(why) ?? 0) + 1);
    } finally {
      this.#underWay--;
    }
  }

  #record() {
    const number = this.#flight++;
    const { origin, destination, distanceMiles, utcHours } = this.#flights.routeAt(number);
    const departedAt = Date.now();
    const flight = { flightId: this.#firstId + number, departedAt, origin, destination };
    const record = { ...flight, distanceMiles, localHour: 0, localWeekday: 1 };
    setLocalClock(record, departedAt + utcHours * hourMs);
    return record;
  }

  #post(body: string): Promise<{ readonly status: number; readonly text: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(
        `${this.#options.gateway}/v1/predict/predictions`,
        {
          ...{ method: "POST", agent: this.#agent, timeout: answerMs },
          headers: { "content-type": "application/json" },
        },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          answer.once("error", reject);
          answer.once("end", () => {
            resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() });
          });
        },
      );
      sent.once("error", reject);
      sent.once("timeout", () => sent.destroy(new Error("no answer in time")));
      sent.end(body);
    });
  }
}

interface Answer {
  readonly predictions: readonly {
    readonly id: string;
    readonly fallbackReason: string | null;
  }[];
}
