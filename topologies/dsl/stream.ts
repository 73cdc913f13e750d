import type { Duration } from "../../schemas/duration.ts";
import { avro } from "../../schemas/formats/avro/avro-format.ts";
import { type FormatSpec, layoutOf } from "../../schemas/formats/formats.ts";
import type { RecordSchema } from "../../schemas/record-schema.ts";
import {
  recordTimeField,
  type SourceTime,
  type TimeUnit,
  timedLayout,
} from "../../schemas/source-time.ts";
import type { SubjectNaming } from "../../schemas/subjects.ts";
import type { Test } from "./conditions.ts";
import { type DedupOptions, deduped } from "./dedup.ts";
import type { StreamDefinition } from "./definitions.ts";
import { type Enrich, enrich } from "./enrichment.ts";
import type { Flat, KeyField, PartitionField, TimeField, ValuesOf } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import { type Selected, type Selection, selection, transformed } from "./select.ts";
import type { SourceStream } from "./source-stream.ts";
import { type Keyed, keyed } from "./view.ts";

/** How the event time of a topic is taken. */
export interface TimeOptions {
  /**
   * How far out of order a partition may run; what is older than its stream time by more is late.
   * No default: it decides what counts.
   */
  readonly lateness: Duration;
  /**
   * Replay: how far a record may jump beyond the stream time of its partition. What jumps further
   * is taken for a wrong date and refused, as one of those would make all that follow late; so
   * longer than the longest pause of a partition. Live mode has the clock for that.
   *
   * @default "48h"
   */
  readonly maxJump?: Duration;
  /** Of a field that is a plain number, since 1970. @default the field is a timestamp */
  readonly unit?: TimeUnit;
}

/** The time of a Kafka record, in place of a field. */
export interface RecordTime {
  readonly kind: "record-time";
}

/**
 * The timestamp of the Kafka record as the event time, for records that have no time in them: its
 * producer's, or the broker's where the topic says so (`message.timestamp.type=LogAppendTime`).
 */
export function recordTime(): RecordTime {
  return { kind: "record-time" };
}

/** A topic whose records have no time yet. */
export interface Source<T> {
  /**
   * Names the field with the event time: a timestamp, or a plain number with its unit, which is a
   * timestamp (UTC ms) from here on.
   *
   * @example payments.timedBy("paid_at", { lateness: "10m", unit: "s" })
   */
  timedBy(field: TimeField<T>, options: TimeOptions): Timed<T>;
  /**
   * Takes the timestamp of the Kafka record for the event time, which is the field `recordTime`
   * then.
   *
   * @example clicks.timedBy(recordTime(), { lateness: "10s" })
   */
  timedBy(
    time: RecordTime,
    options: Omit<TimeOptions, "unit">,
  ): Timed<T & { readonly [recordTimeField]: number }>;
}

/** A topic with a clock. */
export interface Timed<T> {
  /**
   * Names the field whose text is the record key and whose murmur2 hash names the partition. Each
   * record is checked against it.
   */
  partitionedBy<P extends PartitionField<T>>(field: P): Stream<T, T[P]>;
  /**
   * Names the field that tells records apart, for topics that are partitioned otherwise: under any
   * key, in any partition. Records go to the tasks by this field.
   */
  repartitionedBy<P extends PartitionField<T>>(field: P): Stream<T, T[P]>;
}

/** Records in event time, told apart by a field of type `Id`. */
export interface Stream<T, Id> extends SourceStream<T> {
  /**
   * Names the field that tells records apart, where it is not the one that they are partitioned by:
   * each value of it has a prediction of its own, and labels go by it.
   *
   * @example payments.partitionedBy("card").identifiedBy("paymentId")
   */
  identifiedBy<P extends PartitionField<T>>(field: P): Stream<T, T[P]>;
  /** Only records for which the test holds; where it is unknown they are left out, and counted. */
  where(test: Test<T>): Stream<T, Id>;
  /**
   * Records of these fields alone: a field, its text in upper or lower case, or the truth of a
   * test. The time, the key and the partition stay those of the topic; to be scored, a record needs
   * a copy of the field that tells it apart, or another one that `identifiedBy` names.
   *
   * @example payments.select({ card: "card", country: upper("country"), large: gt("amount", 500) })
   */
  select<const S extends Selection<T>>(fields: S): Stream<Selected<T, S>, Id>;
  /**
   * Only the first record of each value: one whose event time is within `within` of that of a
   * record with its value that was passed on is a duplicate, and counted. Where the topic is not
   * partitioned by the field, records go by it to the tasks that remember the values.
   *
   * @param options.name - of the tasks and their state; `<topic>-by-<field>` unless given.
   * @example payments.dedupedBy("paymentId", { within: "1h" })
   */
  dedupedBy(field: PartitionField<T>, options: DedupOptions): Stream<T, Id>;
  /** Groups records by the values of one or more fields, the entity key. */
  keyedBy<const K extends readonly [KeyField<T>, ...KeyField<T>[]]>(
    ...fields: K
  ): Keyed<T, ValuesOf<T, K>>;
  /** Joins each record with features as of the moment at which it is known. */
  readonly enrichedWith: Enrich<T, Id>;
}

/** How the values of a topic are written, with the type of its records. */
export type RecordFormat<T> = FormatSpec & { readonly __type?: T };

/** How a topic is read. */
export interface SourceOptions {
  /**
   * On which subject of the schema registry the schemas of its records are: an id of another one
   * is refused, for anyone may register what is costly to read under a subject of his own.
   *
   * @default "topic"
   */
  readonly subjects?: SubjectNaming;
}

/**
 * Starts a stream at a topic, whose values are of the given format; a schema alone is Avro. Fields
 * of records within records go by their paths, `customer.address.country`.
 *
 * @throws {Error} when the format is no use, e.g. an Avro schema that names an unknown type.
 * @example from("payments", avro(payment)).timedBy("paidAt", { lateness: "10m" })
 */
export function from<T>(
  topic: string,
  formatOrSchema: RecordFormat<T> | RecordSchema<T>,
  { subjects = "topic" }: SourceOptions = {},
): Source<Flat<T>> {
  const format: FormatSpec = "kind" in formatOrSchema ? formatOrSchema : avro(formatOrSchema);
  return source(topic, format, subjects);
}

function source<T>(topic: string, format: FormatSpec, subjects: SubjectNaming): Source<T> {
  const written = layoutOf(format);
  return freezeDeeply({
    timedBy: (
      given: TimeField<T> | RecordTime,
      { lateness, maxJump = "48h", unit }: TimeOptions,
    ) => {
      const time = timeOf(given, unit);
      const layout = timedLayout(written, time);
      const read = <Id>(partitionField: string, repartitioned: boolean) => {
        const named = { topic, format, subjects, time, lateness, maxJump };
        return stream<T, Id>({
          topic,
          origin: { ...named, partitionField, repartitioned },
          lateness,
          yielded: layout,
          layout,
          through: [],
          idField: partitionField,
        });
      };
      return freezeDeeply({
        partitionedBy: (field: string) => read(field, false),
        repartitionedBy: (field: string) => read(field, true),
      });
    },
  }) as unknown as Source<T>;
}

function timeOf(given: string | RecordTime, unit: TimeUnit | undefined): SourceTime {
  if (typeof given !== "string") return { timeField: recordTimeField, recordTime: true };
  return unit === undefined ? { timeField: given } : { timeField: given, timeUnit: unit };
}

function stream<T, Id>(source: StreamDefinition): Stream<T, Id> {
  return freezeDeeply({
    kind: "stream",
    source,
    identifiedBy: (idField) => stream({ ...source, idField }),
    where: ({ condition }) => stream(transformed(source, { kind: "where", condition })),
    select: (fields) => stream(transformed(source, selection(fields))),
    dedupedBy: (field, options) => stream(deduped(source, field, options)),
    keyedBy: (...fields) => keyed(source, fields),
    enrichedWith: enrich(source),
  });
}
