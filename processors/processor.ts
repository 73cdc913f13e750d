import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { Ports } from "../schemas/plan.ts";
import type { Spill } from "./local-store.ts";

/**
 * Where a processor writes what it has to say. Outputs go by their index in the subtopology.
 * Nothing leaves the task before the commit that holds it.
 */
export interface Outbox {
  /**
   * Opens one payload for an inbox output; write it into the returned writer, then call `end`.
   * `knownAt` must never fall on an output.
   *
   * @param partition - target partition; ignored for `fanOut: "same"` and `"every"`.
   */
  begin(output: number, partition: number, knownAt: number): ByteWriter;
  /** Opens one row of a `rows` output under an entity key. */
  beginRow(output: number, entityKey: string, knownAt: number): ByteWriter;
  /**
   * Closes the payload or row. False: it is larger than its topic takes, and a dead letter of the
   * step in its stead. A restore repeats no output: state must not depend on it behind an inbox.
   *
   * @param source - place of the record that a payload is made of. @default it is of no one record
   */
  end(source?: SourcePlace): boolean;
  /** A record that makes no payload of an inbox output: a dead letter of the step. */
  refuse(output: number, partition: number, refused: RefusedRecord): void;
  /** One record of a `topic` output; `value` fits its Avro schema. */
  publish(output: number, key: string, timestampMs: number, value: object): void;
}

/** A record in its source; an offset below 0 is that of no one record. */
export interface SourcePlace {
  readonly partition: number;
  readonly offset: number;
}

/** What a step yields and nobody behind it takes. */
export interface RefusedRecord {
  readonly code: "KEY_OVERSIZE" | "TEXT_OVERSIZE" | "ID_BEYOND_LONG" | "CLOSURE_FAILED";
  /** What the message of the code names. */
  readonly facts: Readonly<Record<string, string>>;
  /** That it would have had; null where it came to none. */
  readonly key: string | null;
  /** UTC ms. */
  readonly knownAt: number;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Of what it was made of. */
  readonly source: SourcePlace;
}

/**
 * Work that only the world outside can do (score rows, train a model), by the name of the service
 * that does it. The engine has it done between two steps and hands the result back as bytes through
 * {@link Processor.settle}; the bytes are logged like an input, so that a restore repeats the
 * result and not the work.
 */
export interface ExternalWork<Payload extends object = object> {
  /** A service of `runtime/services/`. */
  readonly service: string;
  /** What that service takes. */
  readonly payload: Payload;
}

/** What a task is told besides its operator. */
export interface TaskFacts {
  readonly partition: number;
  /** Live mode, where answers may be missing. */
  readonly waitsMayEnd: boolean;
  /** Where state goes that is beyond the share of memory; null: all of it stays there. */
  readonly spill: Spill | null;
}

/** Makes the processor of one task. */
export type MakeProcessor<Spec> = (spec: Spec, ports: Ports, task: TaskFacts) => Processor;

/**
 * A pure state machine over merged inputs: no clock, no I/O, no randomness. Equal calls in equal
 * order give equal outputs and equal state; this is what makes replays and restores exact.
 */
export interface Processor {
  /**
   * Takes one record.
   *
   * @param input - index of the input in the subtopology.
   * @param writer - number of the upstream task (for a source: of the source partition).
   * @param knownAt - UTC ms; never falls from call to call.
   * @param incomplete - live mode: a wait for records that may lie before it was ended. Only for
   * inputs that do not change state. @default false
   */
  process(
    input: number,
    writer: number,
    knownAt: number,
    payload: ByteReader,
    out: Outbox,
    incomplete?: boolean,
  ): void;
  /** Instant of the next timer, UTC ms; `Infinity` when there is none. */
  nextTimer(): number;
  /** One step of the timer due at `instant`; called again while `nextTimer() === instant`. */
  onTimer(instant: number, out: Outbox): void;
  /**
   * Work collected since the last call, or null. Until `settle` is called the engine calls nothing
   * else; a processor without external work leaves both out.
   */
  takeWork?(): ExternalWork | null;
  /** Whether its work has to be done before it takes another record or timer. @default false */
  readonly asks?: boolean;
  /** The world outside has news: its next work asks for them. */
  news?(): void;
  /** Result of the work, in the form that the service says. */
  settle?(result: ByteReader, out: Outbox): void;
  /** Whole state, deterministic: equal states give equal bytes. */
  snapshot(writer: ByteWriter): void;
  /** Replaces the state by a snapshot's. */
  restore(reader: ByteReader): void;
  /**
   * Whether a record of this input changes state; look-ups do not, so the changelog leaves them
   * out.
   */
  changesState(input: number): boolean;
  /** Keys that it keeps anything of, where its state goes by keys; told without counting. */
  readonly keys?: number;
  /** Running totals, part of the state. */
  readonly counters: Counters;
}

/**
 * Exact totals of what became of the records of each (branch, source partition).
 * in = processed + late + deadLettered + filtered + excluded + duplicates, at the end of the input.
 */
export interface BranchCounters {
  in: number;
  processed: number;
  late: number;
  deadLettered: number;
  filtered: number;
  /** Left out by a `where` of the stream. */
  excluded: number;
  /** Left out by a `dedupedBy` of the stream. */
  duplicates: number;
}

/** By `branch` (name of the view, scoring or label step), then by source partition. */
export type Counters = Map<string, BranchCounters[]>;
