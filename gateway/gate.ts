import type { Caller } from "../runtime/predict/caller.ts";
import { MillraceError } from "../schemas/errors.ts";
import { type ErrorAnswer, errorAnswer } from "./answers.ts";
import { GatewayMetrics } from "./gateway-metrics.ts";
import { Access } from "./keys/access.ts";
import type { KnownKeys } from "./keys/key-file.ts";
import { type Limits, largeBodiesMost } from "./limits.ts";

export interface GateOptions {
  readonly keys: () => KnownKeys;
  readonly limits: Limits;
  /** What it measures of itself. @default its own */
  readonly metrics?: GatewayMetrics;
  /** Told what failed for no reason of the request's. @default nobody */
  readonly onFailure?: (error: unknown, requestId: string, door: string) => void;
}

/** What all requests go through, whatever they speak: who asks, how many, how long. */
export class Gate {
  readonly metrics: GatewayMetrics;
  readonly access: Access;
  readonly limits: Limits;
  isDraining = false;
  readonly #onFailure: GateOptions["onFailure"];
  #underWay = 0;
  #large = 0;

  constructor({ keys, limits, metrics, onFailure }: GateOptions) {
    this.metrics = metrics ?? new GatewayMetrics(false);
    this.access = new Access(keys);
    this.limits = limits;
    this.#onFailure = onFailure;
  }

  /**
   * Lets one more in; what is returned lets it out, once.
   *
   * @param isLarge - whether its body may be larger than usual. @default no
   * @throws {MillraceError} GATEWAY_DRAINING, GATEWAY_BUSY.
   */
  enter(isLarge = false): () => void {
    const most = this.limits.requestsAtOnce;
    if (this.isDraining) throw new MillraceError("GATEWAY_DRAINING");
    if (this.#underWay >= most) {
      throw new MillraceError("GATEWAY_BUSY", { what: `${most} requests are under way` });
    }
    if (isLarge && this.#large >= largeBodiesMost) {
      const what = `${largeBodiesMost} requests with large bodies are under way`;
      throw new MillraceError("GATEWAY_BUSY", { what });
    }
    this.metrics.underWay.set(++this.#underWay);
    if (isLarge) this.#large++;
    let isIn = true;
    return () => {
      if (isIn) this.metrics.underWay.set(--this.#underWay);
      if (isIn && isLarge) this.#large--;
      isIn = false;
    };
  }

  /**
   * The answer of a door, or that it took too long: the work goes on then, and counts.
   *
   * @param caller - leaves where it took too long.
   * @param timeoutMs - @default that of the gateway
   * @throws {MillraceError} REQUEST_TIMEOUT; what the work throws.
   */
  async within<T>(
    work: () => Promise<T>,
    leave: () => void,
    caller: Caller,
    timeoutMs = this.limits.requestMs,
  ): Promise<T> {
    const working = work().finally(leave);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      // Made once it is needed: an error takes its stack along.
      const end = () => {
        reject(new MillraceError("REQUEST_TIMEOUT", { timeoutMs }));
        caller.leave();
      };
      timer = setTimeout(end, timeoutMs);
    });
    try {
      return await Promise.race([working, late]);
    } finally {
      clearTimeout(timer);
      working.catch(() => undefined);
    }
  }

  /** What a request is told that failed; counted, and a defect goes to the log. */
  refused(error: unknown, requestId: string, door: string): ErrorAnswer {
    const answer = errorAnswer(error);
    this.metrics.refused(answer.body.code);
    if (answer.status === 500) this.#onFailure?.(error, requestId, door);
    return answer;
  }
}
