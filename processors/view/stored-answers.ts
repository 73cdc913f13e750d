import type { ByteWriter } from "../../schemas/bytes.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import { viewId } from "../../schemas/feature-view.ts";
import { beginAnswer } from "../../schemas/input-payloads.ts";
import type { FeatureRow } from "../../schemas/row.ts";
import { FeatureColumns } from "./feature-columns.ts";
import { KeyWindows } from "./key-windows.ts";

/** What a store holds of a key: the columns of its row, and since when they are in force. */
export type StoredRow = Pick<FeatureRow, "asOf" | "values" | "others">;

/**
 * Answers the look-ups of a view from rows as stores hold them, with the bytes that the task of the
 * view answers with: what is made of an answer does not know the difference. A key without a row is
 * one without events.
 */
export class StoredAnswers {
  readonly #name: string;
  readonly #columns: FeatureColumns;
  readonly #nobody: KeyWindows;

  constructor(view: FeatureViewSpec) {
    this.#name = viewId(view);
    this.#columns = new FeatureColumns(view);
    this.#nobody = new KeyWindows("", this.#columns);
  }

  /**
   * Writes the answer to a look-up at q, UTC ms.
   *
   * @throws {RangeError} for a row of another view, or of another layout of it.
   */
  write(writer: ByteWriter, id: string, slot: number, q: number, row: StoredRow | null): void {
    const { values, others } = this.#nobody;
    if (row === null) {
      beginAnswer(writer, id, slot, false, Number.NEGATIVE_INFINITY);
      this.#columns.writeAt(q, values, others, writer);
      return;
    }
    const isTyped = row.others !== undefined && row.others.length > 0;
    if (row.values.length !== values.length || isTyped !== this.#columns.values.areKept) {
      throw new RangeError(`${this.#name}: a row has other columns than its view`);
    }
    beginAnswer(writer, id, slot, false, row.asOf);
    this.#columns.writeNumbersAt(q, row.values, writer);
    if (row.others !== undefined) writer.raw(row.others, 0, row.others.length);
  }
}
