import type { Broker } from "../broker/broker.ts";
import { sourceHeaders } from "../runtime/engine/derived-dead-letters.ts";
import { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { ByteReader } from "../schemas/bytes.ts";
import { deadLetter } from "../schemas/generated.ts";
import type { Plan, Subtopology } from "../schemas/plan.ts";
import type { RouteSpec } from "../schemas/route.ts";
import { committedValues } from "./committed-values.ts";

/** A dead letter of a step: what it derived and nobody took. */
interface DerivedLetter {
  readonly step: string;
  /** Where it was to go. */
  readonly topic: string;
  readonly partition: number;
  /** Null: a payload for another step, which begins with its key. */
  readonly key: string | null;
  readonly value: Buffer | null;
  /** Whether it was derived, and too large for where it was to go. */
  readonly isOversize: boolean;
  /** The record of the source that it was made of. */
  readonly source: { readonly partition: number; readonly offset: number } | null;
}

/** The dead letters of steps, and what they say of the ids that a scoring step lacks. */
export class DerivedLetters {
  readonly #plan: Plan;
  readonly #letters: readonly DerivedLetter[];

  constructor(plan: Plan, letters: readonly DerivedLetter[]) {
    this.#plan = plan;
    this.#letters = letters;
  }

  /** Keys of what was too large for a partition of a topic. */
  keysOf(topic: string, partition: number): ReadonlySet<string> {
    const keys = this.#letters.flatMap((each) =>
      each.topic === topic && each.partition === partition && each.key !== null ? [each.key] : [],
    );
    return new Set(keys);
  }

  /** Ids of payloads that were too large for a task of a scoring step. */
  idsOf(scoring: string, partition: number): ReadonlySet<string> {
    const inbox = tasksOf(this.#plan, scoring)?.inbox;
    const ids = this.#letters.flatMap(({ topic, partition: to, key, value }) =>
      topic === inbox && to === partition && key === null && value !== null
        ? [new ByteReader(value).text()]
        : [],
    );
    return new Set(ids);
  }

  /**
   * By `topic/partition`: offsets of records of a source that it, or one of the steps, the nearest
   * first, has not passed on towards a step, because of what they became.
   */
  refusedOnTheWay(
    name: string,
    steps: readonly string[],
    source: string,
  ): ReadonlyMap<string, ReadonlySet<number>> {
    const refused = new Map<string, Set<number>>();
    const read = this.#plan.subtopologies.find(({ inbox }) => inbox === source)?.name;
    for (const [i, step] of [...steps, ...(read === undefined ? [] : [read])].entries()) {
      const { first, own } = this.#inboxesOf(step, i === 0 ? name : (steps[i - 1] as string));
      for (const letter of this.#letters) {
        const to = letter.isOversize ? own : first;
        if (letter.step !== step || letter.topic !== to || letter.source === null) continue;
        const place = `${source}/${letter.source.partition}`;
        const known = refused.get(place) ?? new Set();
        refused.set(place, known.add(letter.source.offset));
      }
    }
    return refused;
  }

  /**
   * The inbox of one that takes what a step yields, and the one that dead letters name where it is
   * refused before it is made, for all who take it alike.
   */
  #inboxesOf(step: string, taker: string) {
    const tasks = tasksOf(this.#plan, step);
    const spec = tasks?.operator.spec as { readonly routes?: readonly RouteSpec[] } | undefined;
    const routes = spec?.routes ?? [];
    const taken = routes.find(({ counted }) => counted === taker);
    const first = taken && routes.find((route) => route.through === taken.through);
    const inboxOf = (route: RouteSpec | undefined) => {
      const output = route && tasks?.outputs[route.output];
      if (output?.kind !== "inbox") return undefined;
      return this.#plan.subtopologies.find(({ name }) => name === output.to)?.inbox;
    };
    return { first: inboxOf(first), own: inboxOf(taken) };
  }
}

/** Reads the dead letters of all steps but the sources. */
export async function readDerivedLetters(
  broker: Broker,
  registry: SchemaRegistry,
  plan: Plan,
): Promise<DerivedLetters> {
  const letters: DerivedLetter[] = [];
  const decoder = new AvroDecoder(registry, deadLetter);
  for (const topic of plan.topics.filter(({ role }) => role === "dead-letters")) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      for await (const { value } of committedValues(broker, topic.name, partition, decoder)) {
        if (Number(value["offset"]) < 0) letters.push(letterOf(value));
      }
    }
  }
  return new DerivedLetters(plan, letters);
}

type Header = { readonly key: string; readonly value: Buffer | null };

function letterOf(value: Readonly<Record<string, unknown>>): DerivedLetter {
  const headers = value["headers"] as readonly Header[];
  const number = (name: string) => {
    const found = headers.find(({ key }) => key === name)?.value;
    return found == null ? null : Number(found.toString("utf8"));
  };
  const [partition, offset] = [number(sourceHeaders.partition), number(sourceHeaders.offset)];
  const key = value["key"] as Buffer | null;
  const isOversize = value["code"] === "DERIVED_OVERSIZE";
  return {
    step: String(value["step"]),
    topic: String(value["topic"]),
    partition: Number(value["partition"]),
    key: key === null ? null : key.toString("utf8"),
    value: isOversize ? (value["value"] as Buffer | null) : null,
    isOversize,
    source: partition === null || offset === null ? null : { partition, offset },
  };
}

/** The subtopology whose tasks do a step. */
function tasksOf(plan: Plan, step: string): Subtopology | undefined {
  return plan.subtopologies.find(({ name }) => name === step);
}
