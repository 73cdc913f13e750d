import { MillraceError } from "../schemas/errors.ts";
import type { FeatureStores } from "../serving/feature-rows.ts";

/**
 * Queries of the past, so many at a time: an offline store that hangs would take every place of the
 * gateway, and nobody could ask for what is online.
 */
export class PastQueries {
  readonly #offline: FeatureStores["offline"];
  readonly #most: number;
  #underWay = 0;

  /** @param most - under way; one more is refused. */
  constructor(offline: FeatureStores["offline"], most: number) {
    this.#offline = offline;
    this.#most = most;
  }

  /** The store of a topology. Its queries throw {MillraceError} GATEWAY_BUSY, too. */
  of(topology: string): ReturnType<FeatureStores["offline"]["of"]> {
    const store = this.#offline.of(topology);
    return {
      query: async <Row>(sql: string) => {
        if (this.#underWay >= this.#most) {
          const what = `${this.#most} look-ups of the past are under way`;
          throw new MillraceError("GATEWAY_BUSY", { what });
        }
        this.#underWay++;
        try {
          return await store.query<Row>(sql);
        } finally {
          this.#underWay--;
        }
      },
    };
  }
}
