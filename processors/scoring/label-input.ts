import type { ByteReader } from "../../schemas/bytes.ts";
import { labelInput } from "../../schemas/input-payloads.ts";
import { PayloadView } from "../../schemas/payload-view.ts";
import type { LabelSpec } from "../../schemas/steps/label.ts";

/** The label of a record, read where it stands: one serves label after label. */
export class LabelInput {
  readonly #payload: PayloadView;
  readonly #id;
  readonly #eventTime;
  readonly #label;

  constructor({ label }: LabelSpec) {
    const payload = new PayloadView(labelInput(label).layout);
    this.#payload = payload;
    this.#id = payload.place("id");
    this.#eventTime = payload.place("eventTime");
    this.#label = payload.place("label");
  }

  /** Takes the label at which a reader stands in hand. */
  open(payload: ByteReader): void {
    this.#payload.open(payload);
  }

  /** Of the prediction that it belongs to. */
  id(): string {
    return this.#payload.text(this.#id);
  }

  eventTime(): number {
    return this.#payload.number(this.#eventTime);
  }

  /** 1 or 0; NaN: unknown. */
  label(): number {
    return this.#payload.number(this.#label);
  }
}
