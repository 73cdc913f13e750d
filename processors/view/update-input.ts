import type { ByteReader } from "../../schemas/bytes.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import { updateInput } from "../../schemas/input-payloads.ts";
import { PayloadView, type Place } from "../../schemas/payload-view.ts";
import { type EventValues, noValues } from "./value-columns.ts";

/** What a view is told of an event, read where it stands: one serves event after event. */
export class UpdateInput {
  readonly #payload: PayloadView;
  readonly #key: Place;
  readonly #eventTime: Place;
  /** Of the first number that is aggregated; null: there is none. */
  readonly #inputs: Place | null;
  readonly #count: number;
  readonly #hasValues: boolean;

  constructor({ aggregates }: Pick<FeatureViewSpec, "aggregates">) {
    const { layout } = updateInput(aggregates);
    this.#payload = new PayloadView(layout);
    this.#key = this.#payload.place("key");
    this.#eventTime = this.#payload.place("eventTime");
    const first = layout.head.findIndex(({ name }) => name === "inputs");
    this.#inputs = first < 0 ? null : this.#payload.place("inputs");
    this.#count = first < 0 ? 0 : layout.head.length - first;
    this.#hasValues = layout.rest.fields.length > 0;
  }

  /** Takes the event at which a reader stands in hand. */
  open(payload: ByteReader): void {
    this.#payload.open(payload);
  }

  key(): string {
    return this.#payload.text(this.#key);
  }

  eventTime(): number {
    return this.#payload.number(this.#eventTime);
  }

  /** Copies the numbers that are aggregated, NaN for null. */
  copyInputs(target: Float64Array, at: number): void {
    if (this.#inputs !== null) this.#payload.numbers(this.#inputs, this.#count, target, at);
  }

  /** What else is aggregated. */
  values(): EventValues {
    return this.#hasValues ? (this.#payload.values() as EventValues) : noValues;
  }
}
