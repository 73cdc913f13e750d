import { ByteWriter } from "../../../schemas/bytes.ts";
import type { Decision } from "../../../schemas/generated.ts";
import type { Subtopology } from "../../../schemas/plan.ts";
import type { AvroEncoder } from "../../schema-registry/avro-codec.ts";
import type { ServiceDecision } from "../../services/service.ts";
import type { CommitBatches } from "../commit-batches.ts";
import { taskName } from "../task.ts";

/** Decisions of one task since its last commit; each commit carries them to their topic. */
export class DecisionLog {
  readonly #subtopology: Subtopology;
  readonly #partition: number;
  readonly #topic: string;
  readonly #encoder: AvroEncoder;
  readonly #value = new ByteWriter();
  #decisions: Decision[] = [];

  constructor(subtopology: Subtopology, partition: number, topic: string, encoder: AvroEncoder) {
    this.#subtopology = subtopology;
    this.#partition = partition;
    this.#topic = topic;
    this.#encoder = encoder;
  }

  add(decision: ServiceDecision): void {
    this.#decisions.push({
      subtopology: this.#subtopology.name,
      partition: this.#partition,
      input: null,
      writer: null,
      from: null,
      until: null,
      waitedMs: null,
      answer: null,
      ...decision,
    });
  }

  /** Takes the place of the last decision if that is of the same kind and position. */
  replaceLast(decision: ServiceDecision): void {
    const last = this.#decisions.at(-1);
    if (last?.kind === decision.kind && last.position === decision.position) this.#decisions.pop();
    this.add(decision);
  }

  collect(batches: CommitBatches): void {
    if (this.#decisions.length === 0) return;
    for (const decision of this.#decisions) {
      this.#value.reset();
      this.#encoder.encode(decision, this.#value);
      const key = Buffer.from(decisionKey(decision), "utf8");
      batches.append(this.#topic, 0, key, this.#value.take(), decision.until ?? 0);
    }
    this.#decisions = [];
  }
}

/**
 * What the topic is compacted by. Of the advances at one position of a source the last one alone
 * counts, since nothing stood between them; any other decision is kept.
 */
function decisionKey(decision: Decision): string {
  const { subtopology, partition, kind, position, input, writer, until } = decision;
  const name = `${taskName(subtopology, partition)} ${kind} ${position}`;
  return kind === "idle" ? name : `${name} ${input} ${writer} ${until}`;
}
