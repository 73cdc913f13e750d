import type { ByteReader } from "../../schemas/bytes.ts";
import { lookupInput } from "../../schemas/input-payloads.ts";
import { PayloadView } from "../../schemas/payload-view.ts";

/** The layout is that of every look-up. */
const { layout } = lookupInput(0, "");

/** What a view is asked, read where it stands: one serves question after question. */
export class LookupInput {
  readonly #payload = new PayloadView(layout);
  readonly #key = this.#payload.place("key");
  readonly #slot = this.#payload.place("slot");
  readonly #id = this.#payload.place("id");

  /** Takes the question at which a reader stands in hand. */
  open(payload: ByteReader): void {
    this.#payload.open(payload);
  }

  key(): string {
    return this.#payload.text(this.#key);
  }

  /** Of the look-up of the record that asks. */
  slot(): number {
    return this.#payload.byte(this.#slot);
  }

  /** Of the record that asks. */
  id(): string {
    return this.#payload.text(this.#id);
  }
}
