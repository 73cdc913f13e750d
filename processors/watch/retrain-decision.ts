import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { RetrainRequest } from "../../schemas/payload.ts";
import type { RetrainTrigger, WatchSpec } from "../../schemas/steps/watch.ts";

const detectors = ["features", "performance"] as const;
type Detector = (typeof detectors)[number];

/** What the newest closed window of a detector says. */
interface Verdict {
  windowStart: number;
  alarm: boolean;
}

/**
 * Decides when to ask for a model: when any trigger of the watch holds, no request is in flight and
 * the last one is `cooldown` ago. `every` and `labels` count from the last request, which has been
 * answered whenever they are asked; before any, from the first record. A trigger that holds while
 * it must wait stays, and asks at the first outcome or timer after the wait; a request clears them
 * all.
 *
 * An answer never asks by itself: what it would ask at its own instant lies behind what the watch
 * has promised already. So every request stands at the instant of an outcome or of a timer known
 * before.
 */
export class RetrainDecision {
  readonly #watch: WatchSpec;
  readonly #answered: boolean;
  readonly #everyMs: number;
  #labels = 0;
  #labelsAtRequest = 0;
  #first = Number.NaN;
  #lastRequest = Number.NEGATIVE_INFINITY;
  #number = 0;
  #inFlight = "";
  #everyDue = false;
  readonly #verdicts: Record<Detector, Verdict> = {
    features: { windowStart: Number.NEGATIVE_INFINITY, alarm: false },
    performance: { windowStart: Number.NEGATIVE_INFINITY, alarm: false },
  };

  /** @param answered - whether somebody trains and answers; without, no request is in flight. */
  constructor(watch: WatchSpec, answered: boolean) {
    this.#watch = watch;
    this.#answered = answered;
    this.#everyMs = Math.min(
      ...watch.triggers.map((each) => (each.when === "every" ? each.periodMs : Infinity)),
    );
  }

  /** A prediction or an outcome was seen. */
  seen(knownAt: number): void {
    if (Number.isNaN(this.#first)) this.#first = knownAt;
  }

  labelled(): void {
    this.#labels++;
  }

  /**
   * A window of a detector closed. The newest one says whether the detector alarms; an older one
   * may close after it, when a prediction was waiting for its label.
   */
  closed(detector: Detector, windowStart: number, alarm: boolean): void {
    const verdict = this.#verdicts[detector];
    if (windowStart < verdict.windowStart) return;
    verdict.windowStart = windowStart;
    verdict.alarm = alarm;
  }

  answered(requestId: string): void {
    if (this.#inFlight === requestId) this.#inFlight = "";
  }

  /** When `every` falls due; `Infinity` when it is declared nowhere or has fallen due. */
  nextEvery(): number {
    if (this.#everyDue || Number.isNaN(this.#first)) return Number.POSITIVE_INFINITY;
    if (this.#number === 0) return this.#first + this.#everyMs;
    return this.#lastRequest + Math.max(this.#everyMs, this.#watch.cooldownMs);
  }

  everyIsDue(): void {
    this.#everyDue = true;
  }

  /** The request to send at `knownAt`, if any. */
  decide(knownAt: number, hasChampion: boolean): RetrainRequest | null {
    if (this.#inFlight !== "" || knownAt < this.#lastRequest + this.#watch.cooldownMs) return null;
    let holds = false;
    for (const trigger of this.#watch.triggers) holds ||= this.#holds(trigger, hasChampion);
    if (!holds) return null;
    const reasons = this.#watch.triggers.filter((each) => this.#holds(each, hasChampion));
    this.#number++;
    const id = `${this.#watch.name}-${this.#number}`;
    this.#lastRequest = knownAt;
    this.#labelsAtRequest = this.#labels;
    this.#everyDue = false;
    for (const detector of detectors) this.#verdicts[detector].alarm = false;
    if (this.#answered) this.#inFlight = id;
    return { id, number: this.#number, reasons: reasons.map(reasonText), cutoff: knownAt };
  }

  snapshot(writer: ByteWriter): void {
    writer.f64(this.#labels);
    writer.f64(this.#labelsAtRequest);
    writer.f64(this.#first);
    writer.f64(this.#lastRequest);
    writer.f64(this.#number);
    writer.text(this.#inFlight);
    writer.u8(this.#everyDue ? 1 : 0);
    for (const detector of detectors) {
      const { windowStart, alarm } = this.#verdicts[detector];
      writer.f64(windowStart);
      writer.u8(alarm ? 1 : 0);
    }
  }

  restore(reader: ByteReader): void {
    this.#labels = reader.f64();
    this.#labelsAtRequest = reader.f64();
    this.#first = reader.f64();
    this.#lastRequest = reader.f64();
    this.#number = reader.f64();
    this.#inFlight = reader.text();
    this.#everyDue = reader.u8() === 1;
    for (const detector of detectors) {
      this.#verdicts[detector] = { windowStart: reader.f64(), alarm: reader.u8() === 1 };
    }
  }

  #holds(trigger: RetrainTrigger, hasChampion: boolean): boolean {
    switch (trigger.when) {
      case "no-model":
        return !hasChampion && this.#labels >= trigger.labels;
      case "labels":
        return this.#labels - this.#labelsAtRequest >= trigger.labels;
      case "every":
        return this.#everyDue;
      case "drifted":
        return this.#verdicts[trigger.detector].alarm;
    }
  }
}

function reasonText(trigger: RetrainTrigger): string {
  return trigger.when === "drifted" ? `drifted(${trigger.detector})` : trigger.when;
}
