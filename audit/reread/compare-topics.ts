import type { Broker } from "../../broker/broker.ts";
import { committedPages, type PlainRecord } from "../../broker/committed-records.ts";
import { readTallies } from "../../runtime/row-topics/tally.ts";
import { AvroDecoder, AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../runtime/schema-registry/registry.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { type Plan, type TopicOutputSpec, type TopicSpec, topologyOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { servedTopic, shadowsTopic } from "../../schemas/topic-names.ts";
import { Origins } from "./origins.ts";
import { RecordCursor } from "./record-cursor.ts";

/** A topic of a run against the same topic of its re-reading. */
export interface TopicComparison {
  readonly topic: string;
  /** Records that were compared. */
  readonly records: number;
  /** Of the run, no longer in its topic: not compared. */
  readonly purged: number;
  /** Of the re-reading, behind the last one of the run. */
  readonly beyond: number;
  /** The first difference of each partition, for people. */
  readonly differences: readonly string[];
}

export interface CompareOptions {
  readonly plan: Plan;
  readonly registry: SchemaRegistry;
  readonly run: Broker;
  readonly reread: Broker;
  /** Whether the run came to its end: then nothing may be beyond it. */
  readonly ended: boolean;
  /** Told which topic comes next and what share of them is done. @default nobody */
  readonly onStep?: (share: number, what: string) => void;
}

/** What a run tells the world, apart from what it decided by the clock. */
const compared: ReadonlySet<TopicSpec["role"]> = new Set([
  "rows",
  "output",
  "late",
  "dead-letters",
  "models",
]);

/**
 * Compares every topic that a plan writes for others, record by record in order: late records and
 * dead letters in the order of each source partition, since nobody decides in which order those of
 * several come into a partition of their topic. What a gateway served, and what shadows scored
 * beside it, was asked for by somebody, and follows from no source.
 */
export async function compareTopics(options: CompareOptions): Promise<TopicComparison[]> {
  const { plan } = options;
  const served = predictionsOf(plan).flatMap(({ name }) =>
    [servedTopic, shadowsTopic].map((of) => of(topologyOf(plan), name)),
  );
  const topics = plan.topics.filter(
    ({ name, role }) => compared.has(role) && !served.includes(name),
  );
  const comparisons: TopicComparison[] = [];
  for (const [index, topic] of topics.entries()) {
    options.onStep?.(index / topics.length, `comparing ${topic.name}`);
    comparisons.push(await compareTopic(options, topic));
  }
  return comparisons;
}

async function compareTopic(
  options: CompareOptions,
  { name: topic, partitions, role }: TopicSpec,
): Promise<TopicComparison> {
  const { plan, registry, run, reread, ended } = options;
  const output = outputOf(plan, topic);
  const unmeasured = output?.measured ? await Unmeasured.create(registry, output) : null;
  const tallies = role === "rows" ? await readTallies(run, plan.name, topic, partitions) : [];
  const origins = Origins.of(role, registry);
  let [records, purged, beyond] = [0, 0, 0];
  const differences: string[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const tally = tallies[partition] ?? { below: 0, rows: 0 };
    purged += tally.rows;
    for (const origin of (await origins?.all([run, reread], topic, partition)) ?? [null]) {
      const isOfOrigin = (record: PlainRecord) =>
        origin === null || origins?.originOf(record) === origin;
      const found = await comparePartition({
        run: cursor(run, topic, partition, role, tally.below, isOfOrigin),
        reread: cursor(reread, topic, partition, role, 0, isOfOrigin),
        skip: tally.rows,
        unmeasured,
      });
      records += found.records;
      beyond += found.beyond;
      const difference = found.difference ?? (ended ? moreOf(found) : null);
      if (difference === null) continue;
      const from = origin === null || origin === "" ? "" : `of ${origin}: `;
      differences.push(`${topic}/${partition}: ${from}${difference}`);
      break;
    }
  }
  return { topic, records, purged, beyond, differences };
}

/** What a run that has ended lacks; null: nothing. */
function moreOf({ records, beyond }: { readonly records: number; readonly beyond: number }) {
  if (beyond === 0) return null;
  return `${beyond} records more when read again, after ${records} equal ones`;
}

/** Rows that are not progress, of a partition. */
function cursor(
  broker: Broker,
  topic: string,
  partition: number,
  role: TopicSpec["role"],
  from: number,
  isWanted: (record: PlainRecord) => boolean,
): RecordCursor {
  // How far a view is, is said at each commit: no row, though an entity may have that key.
  const isProgress = ({ key, value }: PlainRecord) =>
    role === "rows" && key?.length === 1 && key[0] === 0 && value?.length === 8;
  return new RecordCursor(
    committedPages(broker, topic, partition),
    (record) => record.offset >= from && !isProgress(record) && isWanted(record),
  );
}

interface Sides {
  readonly run: RecordCursor;
  readonly reread: RecordCursor;
  /** Records of the re-reading whose counterparts were purged. */
  readonly skip: number;
  readonly unmeasured: Unmeasured | null;
}

async function comparePartition({ run, reread, skip, unmeasured }: Sides): Promise<{
  records: number;
  beyond: number;
  difference: string | null;
}> {
  for (let skipped = 0; skipped < skip; skipped++) {
    if ((await reread.take()) === null) {
      const difference = `only ${skipped} records when read again, ${skip} were purged`;
      return { records: 0, beyond: 0, difference };
    }
  }
  for (let records = 0; ; records++) {
    const was = run.next() ?? (await run.take());
    const is = reread.next() ?? (await reread.take());
    if (was === null) {
      let beyond = is === null ? 0 : 1;
      while (is !== null && (await reread.take()) !== null) beyond++;
      return { records, beyond, difference: null };
    }
    const difference = differenceOf(was, is, unmeasured);
    if (difference !== null) {
      const text = `record ${records + 1} (offset ${was.offset}): ${difference}`;
      return { records, beyond: 0, difference: text };
    }
  }
}

function differenceOf(
  was: PlainRecord,
  is: PlainRecord | null,
  unmeasured: Unmeasured | null,
): string | null {
  const key = was.key?.toString("utf8") ?? "none";
  if (is === null) return `key ${key} is not there when read again`;
  if (!equalBytes(was.key, is.key)) {
    return `key ${key}, read again ${is.key?.toString("utf8") ?? "none"}`;
  }
  if (equalBytes(was.value, is.value)) return null;
  if (unmeasured === null || was.value === null || is.value === null) {
    return `key ${key}: ${hex(was.value)}, read again ${hex(is.value)}`;
  }
  return unmeasured.difference(was.value, is.value, key);
}

function equalBytes(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

function hex(bytes: Buffer | null): string {
  return bytes === null ? "no value" : bytes.toString("hex").slice(0, 200);
}

/** Compares values without what was measured: encoded again with that left out. */
class Unmeasured {
  readonly #decoder: AvroDecoder;
  readonly #encoder: AvroEncoder;
  /** 0 in place of each field that was measured. */
  readonly #blank: Readonly<Record<string, number>>;
  readonly #value = new ByteWriter();

  private constructor(
    decoder: AvroDecoder,
    encoder: AvroEncoder,
    blank: Readonly<Record<string, number>>,
  ) {
    this.#decoder = decoder;
    this.#encoder = encoder;
    this.#blank = blank;
  }

  static async create(
    registry: SchemaRegistry,
    { topic, schema, measured = [] }: TopicOutputSpec,
  ): Promise<Unmeasured> {
    const id = await registry.register(`${topic}-value`, schema);
    const decoder = new AvroDecoder(registry, schema);
    await decoder.resolve(id);
    const blank = Object.fromEntries(measured.map((name) => [name, 0]));
    return new Unmeasured(decoder, new AvroEncoder(schema, id), blank);
  }

  difference(was: Buffer, is: Buffer, key: string): string | null {
    const [before, after] = [this.#without(was), this.#without(is)];
    if (before.bytes.equals(after.bytes)) return null;
    const names = Object.keys(before.value);
    const texts = names.map((name) => [text(before.value[name]), text(after.value[name])]);
    const at = texts.findIndex(([a, b]) => a !== b);
    return `key ${key}: ${names[at]} is ${texts[at]?.[0]}, read again ${texts[at]?.[1]}`;
  }

  #without(bytes: Buffer): { readonly bytes: Buffer; readonly value: Record<string, unknown> } {
    const decoded = this.#decoder.decode(bytes, 0, bytes.length);
    if (decoded.kind !== "value") return { bytes, value: {} };
    const value = { ...decoded.value, ...this.#blank };
    this.#value.reset();
    this.#encoder.encode(value, this.#value);
    return { bytes: this.#value.take(), value };
  }
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}

/** The output that writes records to a topic, if a step does. */
function outputOf(plan: Plan, topic: string): TopicOutputSpec | null {
  for (const { outputs } of plan.subtopologies) {
    for (const output of outputs) {
      if (output.kind === "topic" && output.topic === topic) return output;
    }
  }
  return null;
}
