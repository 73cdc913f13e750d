import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "../../../broker/broker.ts";

/** Where a reader of a partition goes on. */
export interface ReadPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface StandingLookOptions {
  readonly broker: Pick<Broker, "fetch">;
  /** Where the next look goes on, of all that is looked at. */
  readonly places: () => readonly ReadPlace[];
  /** Reads on to the ends as of now. */
  readonly look: () => Promise<void>;
}

/** How long a fetch stands at the broker until something comes, ms. */
const standMs = 5_000;
/** Pause after a look that failed, ms. */
const pauseMs = 200;
/** The look reads what has come; the fetch only says that there is something. */
const maxBytes = 64 * 1024;

/**
 * Looks at partitions as soon as something has come to them: between two looks a fetch stands at
 * the broker. A look that fails is tried again.
 */
export class StandingLook {
  readonly #options: StandingLookOptions;
  #looking: Promise<void> | null = null;
  #closed = false;

  constructor(options: StandingLookOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#run();
  }

  /** Nothing is looked at any more; waits for the look under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking?.catch(() => {});
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        this.#looking = this.#options.look();
        await this.#looking;
        if (!this.#closed) await this.#change();
      } catch {
        await sleep(pauseMs, null, { ref: false });
      }
    }
  }

  /** Resolves when there may be something to read. */
  async #change(): Promise<void> {
    await this.#options.broker.fetch({
      partitions: this.#options.places().map((place) => ({ ...place, maxBytes })),
      ...{ isolation: "read_committed", maxWaitMs: standMs, maxBytes },
    });
  }
}
