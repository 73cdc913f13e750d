import type { PlainRecord } from "../../broker/committed-records.ts";

/** Takes records from pages one by one; null at the end. */
export class RecordCursor {
  readonly #pages: AsyncGenerator<readonly PlainRecord[]>;
  readonly #wanted: (record: PlainRecord) => boolean;
  #page: readonly PlainRecord[] = [];
  #at = 0;

  constructor(
    pages: AsyncGenerator<readonly PlainRecord[]>,
    wanted: (record: PlainRecord) => boolean,
  ) {
    this.#pages = pages;
    this.#wanted = wanted;
  }

  /** The next one if it is in memory; undefined: `load` first. */
  next(): PlainRecord | undefined {
    while (this.#at < this.#page.length) {
      const record = this.#page[this.#at++];
      if (record !== undefined && this.#wanted(record)) return record;
    }
    return undefined;
  }

  /** Reads another page; false when there is none. */
  async load(): Promise<boolean> {
    const { value, done } = await this.#pages.next();
    if (done === true) return false;
    this.#page = value;
    this.#at = 0;
    return true;
  }

  /** The next one, read if need be; null at the end. */
  async take(): Promise<PlainRecord | null> {
    for (;;) {
      const record = this.next();
      if (record !== undefined) return record;
      if (!(await this.load())) return null;
    }
  }
}
