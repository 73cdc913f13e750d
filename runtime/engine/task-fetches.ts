import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, FetchedPartition, FetchRequest } from "../../broker/broker.ts";

/** How long a busy worker waits for records, ms. */
const momentMs = 2;

type Asked = FetchRequest["partitions"][number];

interface Fetch {
  /** `topic/partition@offset` of all that it asks for. */
  readonly places: ReadonlySet<string>;
  /** Resolves when there is an answer, or an error; it never rejects. */
  readonly ended: Promise<void>;
  answer: FetchedPartition[] | null;
  error: unknown;
}

/**
 * The fetches of a worker. They stand at the broker until records come, and the tasks go on
 * meanwhile: what happens beside a fetch does not end it, and its answer counts. What none of them
 * asks for is asked for by another one, so no partition is in two.
 */
export class TaskFetches {
  readonly #broker: Pick<Broker, "fetch">;
  readonly #prepare: (answer: readonly FetchedPartition[]) => Promise<void>;
  #fetches: Fetch[] = [];

  /** @param prepare - what an answer waits for before anybody has it. */
  constructor(
    broker: Pick<Broker, "fetch">,
    prepare: (answer: readonly FetchedPartition[]) => Promise<void>,
  ) {
    this.#broker = broker;
    this.#prepare = prepare;
  }

  /**
   * What came of fetches that ask for all of this, without what nobody wants any more; null where
   * none has an answer by the end of `wait`.
   *
   * @param wait - null: a moment, for the caller has more to do.
   * @throws what a fetch has failed with, once.
   */
  async next(
    request: FetchRequest,
    wait: Promise<void> | null,
  ): Promise<FetchedPartition[] | null> {
    this.#ask(request);
    const moment = wait ?? sleep(momentMs);
    await Promise.race([moment, ...this.#fetches.map(({ ended }) => ended)]);
    return this.#take(request.partitions);
  }

  /** The tasks are made anew: what is under way is not for them. */
  forget(): void {
    this.#fetches = [];
  }

  #ask(request: FetchRequest): void {
    const isAsked = (place: string) => this.#fetches.some(({ places }) => places.has(place));
    const partitions = request.partitions.filter((each) => !isAsked(placeOf(each)));
    if (partitions.length === 0) return;
    const fetch: Fetch = {
      places: new Set(partitions.map(placeOf)),
      answer: null,
      error: null,
      ended: this.#get({ ...request, partitions }).then(
        (answer) => {
          fetch.answer = answer;
        },
        (error: unknown) => {
          fetch.error = error;
        },
      ),
    };
    this.#fetches.push(fetch);
  }

  async #get(request: FetchRequest): Promise<FetchedPartition[]> {
    const answer = await this.#broker.fetch(request);
    await this.#prepare(answer);
    return answer;
  }

  #take(wanted: readonly Asked[]): FetchedPartition[] | null {
    const isOver = ({ answer, error }: Fetch) => answer !== null || error !== null;
    const over = this.#fetches.filter(isOver);
    if (over.length === 0) return null;
    this.#fetches = this.#fetches.filter((each) => !isOver(each));
    const failed = over.find(({ error }) => error !== null);
    if (failed !== undefined) throw failed.error;
    const places = new Set(wanted.map(placeOf));
    return over.flatMap(({ answer }) => answer ?? []).filter((each) => places.has(placeOf(each)));
  }
}

function placeOf({ topic, partition, offset }: Pick<Asked, "topic" | "partition" | "offset">) {
  return `${topic}/${partition}@${offset}`;
}
