import { type ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { type FeatureViewSpec, viewId } from "../schemas/feature-view.ts";
import { beginAnswer } from "../schemas/input-payloads.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Ports } from "../schemas/plan.ts";
import { type FeatureRow, writeRow } from "../schemas/row.ts";
import { readCounters, tallyOf, writeCounters } from "./branch-tally.ts";
import type { Counters, MakeProcessor, Outbox, Processor } from "./processor.ts";
import { ExpiryHeap } from "./view/expiry-heap.ts";
import { FeatureColumns } from "./view/feature-columns.ts";
import { compareKeys } from "./view/key-order.ts";
import { KeyWindows } from "./view/key-windows.ts";
import { LookupInput } from "./view/lookup-input.ts";
import { UpdateInput } from "./view/update-input.ts";

/**
 * Keeps the continuous windows of one feature view for the keys of one partition.
 *
 * An update at event time t is in window w for q in (t, t + w]; one that is in no window any more
 * is counted and changes nothing. A row is written when an event arrives and when events leave: one
 * expiry row a key and instant, before that instant's updates, keys in the byte order of their
 * UTF-8. A look-up at q is answered from what was known strictly before q, windows evaluated at q:
 * the merge has brought every expiry before q, and brings those at q and the updates at q later.
 *
 * A key is exact (served 0) up to the view's `exactLimit` events in its longest window. Above it
 * events leave by tiles (served 1): never early, and late by less than 1 % of a window, so that a
 * window w at q covers all of [q − w, q) and nothing before q − 1.01 w. An expiry row is then
 * written when a tile leaves. Aggregates of tiles are exact, but for quantiles: those are exact up
 * to 1,024 different values a window and have a relative error of at most 0.79 % beyond (more for
 * values over many powers of ten, see `aggregate/value-summary.ts`). A key is exact again once all
 * events of its longest window are among the newest `exactLimit` / 2.
 *
 * Memory of an exact key: its events, 8 bytes and 8 an input each (a text as long as it is, up to
 * 64 KiB), and some 100 bytes a window and aggregate; of a tiled one: `exactLimit` / 2 events and
 * some 200 tiles a window, whatever comes.
 * A key whose events have all left is forgotten once its instant has passed: a look-up then answers
 * asOf −Infinity, as for a key that was never seen. Until then it answers the knownAt of the newest
 * record that entered a window, though that one may have left again; a record that came too late
 * for every window counts for nothing.
 */
export class ViewProcessor implements Processor {
  readonly counters: Counters = new Map();
  readonly #name: string;
  readonly #columns: FeatureColumns;
  readonly #longestMs: number;
  readonly #updates: number;
  /** By look-up input the output that its answers go to, and the partitions there. */
  readonly #answersOf: readonly number[];
  readonly #answerPartitions: readonly number[];
  readonly #rows: number;
  readonly #keys = new Map<string, KeyWindows>();
  readonly #expiries = new ExpiryHeap<KeyWindows>();
  /** Keys without events that still number the rows of their last instant. */
  #emptied: KeyWindows[] = [];
  readonly #row: FeatureRow;
  /** The columns of the row that are no doubles. */
  readonly #others = new ByteWriter(64);
  readonly #nobody: KeyWindows;
  readonly #updateInput: UpdateInput;
  readonly #lookupInput = new LookupInput();

  constructor(view: FeatureViewSpec, { inputs, outputs }: Ports) {
    this.#name = viewId(view);
    this.#columns = new FeatureColumns(view);
    this.#updateInput = new UpdateInput(view);
    this.#longestMs = Math.max(...this.#columns.windowMs);
    this.#updates = inputs.findIndex(({ role }) => role === "update");
    this.#rows = outputs.findIndex(({ kind }) => kind === "rows");
    this.#answersOf = inputs.map(({ name }) =>
      outputs.findIndex((output) => output.kind === "inbox" && output.triggers.includes(name)),
    );
    this.#answerPartitions = outputs.map((output) =>
      output.kind === "inbox" ? output.partitions : 0,
    );
    this.#nobody = new KeyWindows("", this.#columns);
    this.#row = { served: 0, asOf: 0, seq: 0, validUntil: 0, values: this.#nobody.values };
  }

  process(
    input: number,
    writer: number,
    knownAt: number,
    payload: ByteReader,
    out: Outbox,
    incomplete = false,
  ): void {
    if (input === this.#updates) this.#update(writer, knownAt, payload, out);
    else this.#answer(this.#answersOf[input] as number, knownAt, payload, incomplete, out);
  }

  get keys(): number {
    return this.#keys.size;
  }

  nextTimer(): number {
    return this.#expiries.top?.nextExpiry ?? Number.POSITIVE_INFINITY;
  }

  onTimer(instant: number, out: Outbox): void {
    this.#forgetEmptied(instant);
    const windows = this.#expiries.top;
    if (windows === undefined || windows.nextExpiry !== instant) {
      throw new RangeError(`${this.#name}: nothing expires at ${instant}`);
    }
    windows.expire(instant);
    this.#expiries.moved(windows);
    if (windows.size === 0) this.#emptied.push(windows);
    this.#writeRow(windows, instant, out);
  }

  changesState(input: number): boolean {
    return input === this.#updates;
  }

  snapshot(writer: ByteWriter): void {
    writeCounters(writer, this.counters);
    writer.u32(this.#keys.size);
    for (const key of [...this.#keys.keys()].sort(compareKeys)) {
      writer.text(key);
      this.#keys.get(key)?.snapshot(writer);
    }
  }

  restore(reader: ByteReader): void {
    readCounters(reader, this.counters);
    this.#keys.clear();
    this.#expiries.clear();
    this.#emptied = [];
    for (let keys = reader.u32(); keys > 0; keys--) {
      const windows = new KeyWindows(reader.text(), this.#columns);
      windows.restore(reader);
      this.#keys.set(windows.key, windows);
      this.#expiries.moved(windows);
      if (windows.size === 0) this.#emptied.push(windows);
    }
  }

  /** What the state holds of a key now, null when it holds no events of it; for tests and tools. */
  peek(key: string): FeatureRow | null {
    const windows = this.#keys.get(key);
    if (windows === undefined || windows.size === 0) return null;
    const { served, asOf, seq, nextExpiry } = windows;
    const others = this.#othersOf(windows);
    return {
      ...{ served, asOf, seq, validUntil: nextExpiry, values: windows.values.slice() },
      ...(others && { others: Buffer.from(others) }),
    };
  }

  #update(writer: number, knownAt: number, payload: ByteReader, out: Outbox): void {
    this.#forgetEmptied(knownAt);
    tallyOf(this.counters, this.#name, writer).processed++;
    const input = this.#updateInput;
    input.open(payload);
    const eventTime = input.eventTime();
    if (eventTime + this.#longestMs <= knownAt) return;
    const key = input.key();
    let windows = this.#keys.get(key);
    if (windows === undefined) {
      windows = new KeyWindows(key, this.#columns);
      this.#keys.set(key, windows);
    }
    windows.lastKnownAt = knownAt;
    windows.insert(eventTime, knownAt, input);
    this.#expiries.moved(windows);
    this.#writeRow(windows, knownAt, out);
  }

  #answer(
    output: number,
    knownAt: number,
    payload: ByteReader,
    incomplete: boolean,
    out: Outbox,
  ): void {
    const question = this.#lookupInput;
    question.open(payload);
    const kept = this.#keys.get(question.key());
    const windows = kept === undefined || kept.size === 0 ? this.#nobody : kept;
    const id = question.id();
    const partition = partitionOf(id, this.#answerPartitions[output] as number);
    const answer = out.begin(output, partition, knownAt);
    beginAnswer(answer, id, question.slot(), incomplete, windows.lastKnownAt);
    this.#columns.writeAt(knownAt, windows.values, windows.others, answer);
    out.end();
  }

  #writeRow(windows: KeyWindows, asOf: number, out: Outbox): void {
    windows.seq = windows.asOf === asOf ? windows.seq + 1 : 0;
    windows.asOf = asOf;
    const row = this.#row;
    row.served = windows.served;
    row.asOf = asOf;
    row.seq = windows.seq;
    const { nextExpiry } = windows;
    row.validUntil = nextExpiry === Number.POSITIVE_INFINITY ? Number.NaN : nextExpiry;
    row.values = windows.values;
    if (this.#columns.values.areKept) row.others = this.#othersOf(windows);
    writeRow(out.beginRow(this.#rows, windows.key, asOf), row);
    out.end();
  }

  /** A view of bytes that the next call replaces. */
  #othersOf({ others }: KeyWindows): Buffer | undefined {
    const columns = this.#columns.values;
    if (!columns.areKept) return undefined;
    const writer = this.#others;
    writer.reset();
    columns.writeColumns(others, writer);
    return writer.buffer.subarray(0, writer.position);
  }

  /** All of them were emptied at one instant, of which an update may have written rows since. */
  #forgetEmptied(instant: number): void {
    const first = this.#emptied[0];
    if (first === undefined || first.asOf === instant) return;
    for (const windows of this.#emptied) {
      if (windows.size === 0) this.#keys.delete(windows.key);
    }
    this.#emptied = [];
  }
}

export const view: MakeProcessor<FeatureViewSpec> = (spec, ports) => new ViewProcessor(spec, ports);
