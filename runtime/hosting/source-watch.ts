import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { sourceId } from "../engine/source-position.ts";

/** Time between two looks at the source topics, ms. */
const lookEveryMs = 1_000;

const ends: ReadonlySet<string> = new Set(["SOURCE_PARTITIONS", "TOPIC_UNKNOWN"]);

/**
 * Looks whether the source topics of a plan are still those that its tasks read: of the same ids,
 * with the same partitions. A partition that nobody reads, or an offset in another topic of the
 * same name, would lose records without a word.
 */
export class SourceWatch {
  readonly #broker: Pick<Broker, "describeTopics">;
  readonly #plan: Plan;
  readonly #ids = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  #looking = false;
  #failure: MillraceError | null = null;

  constructor(broker: Pick<Broker, "describeTopics">, plan: Plan) {
    this.#broker = broker;
    this.#plan = plan;
    this.#timer = setInterval(() => void this.look(), lookEveryMs);
    this.#timer.unref();
  }

  /** SOURCE_PARTITIONS, SOURCE_RECREATED or TOPIC_UNKNOWN once a source has changed. */
  get failure(): MillraceError | null {
    return this.#failure;
  }

  /** Looks now. Never rejects: a broker that is away is looked at again. */
  async look(): Promise<void> {
    if (this.#looking || this.#failure !== null) return;
    this.#looking = true;
    try {
      for (const { topic } of this.#plan.sources) {
        const id = await sourceId(this.#broker, this.#plan, topic);
        const before = this.#ids.get(topic) ?? id;
        this.#ids.set(topic, before);
        if (id === before) continue;
        const context = { topic, partition: "every partition", position: "its end" };
        this.#failure = new MillraceError("SOURCE_RECREATED", context);
      }
    } catch (error) {
      if (error instanceof MillraceError && ends.has(error.code)) this.#failure = error;
    } finally {
      this.#looking = false;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
