/** Keys of a command at most, but for a read of more: others of the server wait as long as it. */
export const keysMost = 1_000;

/** Values by key, in their order; null where there is none. */
type GetMany = (keys: readonly string[]) => Promise<(Buffer | null)[]>;

interface Asked {
  readonly keys: readonly string[];
  readonly resolve: (values: (Buffer | null)[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers the reads of one turn of the event loop into one command, each key once: many callers
 * write to the socket once, and hear of one answer. A read alone goes out in the turn it came in.
 */
export class GatheredReads {
  readonly #getMany: GetMany;
  #asked: Asked[] = [];

  constructor(getMany: GetMany) {
    this.#getMany = getMany;
  }

  /** @throws what the command throws, with all that it reads for. */
  get(keys: readonly string[]): Promise<(Buffer | null)[]> {
    return new Promise((resolve, reject) => {
      if (this.#asked.length === 0) setImmediate(() => this.#send());
      this.#asked.push({ keys, resolve, reject });
    });
  }

  #send(): void {
    let asked: Asked[] = [];
    let places = new Map<string, number>();
    for (const each of this.#asked) {
      if (asked.length > 0 && places.size + each.keys.length > keysMost) {
        void this.#ask(asked, places);
        [asked, places] = [[], new Map()];
      }
      asked.push(each);
      for (const key of each.keys) if (!places.has(key)) places.set(key, places.size);
    }
    this.#asked = [];
    void this.#ask(asked, places);
  }

  async #ask(asked: readonly Asked[], places: ReadonlyMap<string, number>): Promise<void> {
    try {
      const values = await this.#getMany([...places.keys()]);
      for (const { keys, resolve } of asked) {
        resolve(keys.map((key) => values[places.get(key) ?? -1] ?? null));
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
