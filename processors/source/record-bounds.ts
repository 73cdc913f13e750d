import { entityKey } from "../../schemas/feature-view.ts";

/** Bytes of a key as it is written: of a record, of an entity, of an id. */
export const keyLimitBytes = 1_024;

/** Bytes of any other text as it is written. */
export const textLimitBytes = 65_536;

/** Bytes of all texts of a record as they are written: several of them stand in one payload. */
export const allTextsLimitBytes = 524_288;

const longMax = 2n ** 63n - 1n;

/** Every character that is not UTF-8 becomes three bytes, and a separator in a key two. */
const growth = 6;

/** What of a record is too large. */
export type Bound = "KEY_OVERSIZE" | "TEXT_OVERSIZE" | "ID_BEYOND_LONG";

/**
 * Bounds on what is derived from a record, after it is encoded: a record may fit where its keys and
 * texts do not.
 */
export class RecordBounds {
  readonly #keys: readonly (readonly string[])[];
  readonly #longs: readonly string[];
  /** Of the fields, which are the same in every record of a source. */
  #names: readonly string[] | null = null;

  /**
   * @param keys - for each key made of the record, its fields.
   * @param longs - fields that have to be whole numbers of 64 bits with a sign. @default none
   */
  constructor(keys: readonly (readonly string[])[], longs: readonly string[] = []) {
    this.#longs = longs;
    const distinct = new Map(keys.map((fields) => [fields.join(), fields]));
    this.#keys = [...distinct.values()];
  }

  /** What of a record is too large, or null. */
  judge(record: Readonly<Record<string, unknown>>): Bound | null {
    for (const field of this.#longs) {
      const value = record[field];
      if (typeof value === "bigint" && value > longMax) return "ID_BEYOND_LONG";
    }
    for (const fields of this.#keys) {
      let length = fields.length;
      for (const field of fields) {
        const value = record[field];
        length += typeof value === "string" ? value.length : 24;
      }
      if (length * growth <= keyLimitBytes) continue;
      const key = entityKey(fields.map((field) => record[field]));
      if (Buffer.byteLength(key) > keyLimitBytes) return "KEY_OVERSIZE";
    }
    this.#names ??= Object.keys(record);
    let all = 0;
    for (const name of this.#names) {
      const value = record[name];
      if (typeof value !== "string") continue;
      if (value.length * 3 <= textLimitBytes) {
        all += value.length * 3;
        continue;
      }
      const bytes = Buffer.byteLength(value);
      if (bytes > textLimitBytes) return "TEXT_OVERSIZE";
      all += bytes;
    }
    const fits = all <= allTextsLimitBytes || this.#allTexts(record) <= allTextsLimitBytes;
    return fits ? null : "TEXT_OVERSIZE";
  }

  #allTexts(record: Readonly<Record<string, unknown>>): number {
    const texts = Object.values(record).filter((value) => typeof value === "string");
    return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  }
}
