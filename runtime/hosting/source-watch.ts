import type { Broker, TopicPartition } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { sourceId } from "../engine/source-position.ts";
import type { OnTrouble } from "./pumps.ts";

/** Time between two looks at the source topics, ms. */
const lookEveryMs = 1_000;

/** A look that has no answer for so long is told, ms; a call itself fails much later. */
const silentMs = 5_000;
/** A broker that has just come up may not know a topic yet: it is missing when it stays so, ms. */
const missingMs = 15_000;

/**
 * Looks whether the source topics of a plan are still those that its tasks read: of the same ids,
 * with the same partitions. A partition that nobody reads, or an offset in another topic of the
 * same name, would lose records without a word. A broker that does not answer is told soon: these
 * looks are small and go on while all else waits.
 */
export class SourceWatch {
  readonly #broker: Pick<Broker, "describeTopics">;
  readonly #plan: Plan;
  readonly #onTrouble: OnTrouble;
  readonly #ids = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  /** When the look under way began; null: none is. */
  #lookingSince: number | null = null;
  #missingSince: number | null = null;
  #failure: MillraceError | null = null;

  constructor(broker: Pick<Broker, "describeTopics">, plan: Plan, onTrouble: OnTrouble = () => {}) {
    this.#broker = broker;
    this.#plan = plan;
    this.#onTrouble = onTrouble;
    this.#timer = setInterval(() => void this.look(), lookEveryMs);
    this.#timer.unref();
  }

  /** SOURCE_PARTITIONS, SOURCE_RECREATED or TOPIC_UNKNOWN once a source has changed. */
  get failure(): MillraceError | null {
    return this.#failure;
  }

  /** Partitions that were added to the source that has failed: nobody reads them. */
  get unread(): readonly TopicPartition[] {
    if (this.#failure?.code !== "SOURCE_PARTITIONS") return [];
    const { topic, actual, read } = this.#failure.context;
    const added = Math.max(0, Number(actual) - Number(read));
    return Array.from({ length: added }, (_, i) => {
      return { topic: String(topic), partition: Number(read) + i };
    });
  }

  /** Looks now. Never rejects: a broker that is away is looked at again. */
  async look(): Promise<void> {
    if (this.#failure !== null) return;
    const now = performance.now();
    if (this.#lookingSince !== null) {
      if (now - this.#lookingSince >= silentMs) this.#onTrouble(who, silence());
      return;
    }
    this.#lookingSince = now;
    try {
      for (const { topic } of this.#plan.sources) this.#compare(topic, await this.#idOf(topic));
      this.#missingSince = null;
      this.#onTrouble(who, null);
    } catch (error) {
      this.#take(error, now);
    } finally {
      this.#lookingSince = null;
    }
  }

  #idOf(topic: string): Promise<string> {
    return sourceId(this.#broker, this.#plan, topic);
  }

  #compare(topic: string, id: string): void {
    const before = this.#ids.get(topic) ?? id;
    this.#ids.set(topic, before);
    if (id === before) return;
    const context = { topic, partition: "every partition", position: "its end" };
    this.#failure = new MillraceError("SOURCE_RECREATED", context);
  }

  #take(error: unknown, now: number): void {
    if (!(error instanceof MillraceError)) return;
    if (error.code === "TOPIC_UNKNOWN") {
      this.#missingSince ??= now;
      if (now - this.#missingSince >= missingMs) this.#failure = error;
    } else if (error.code === "SOURCE_PARTITIONS") this.#failure = error;
    else this.#onTrouble(who, error);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

const who = "the look at the sources";

function silence(): MillraceError {
  const reason = "it has said nothing so far, and is waited for";
  const context = { request: "Metadata", timeoutMs: silentMs, reason, brokers: "that it runs" };
  return new MillraceError("BROKER_UNAVAILABLE", context);
}
