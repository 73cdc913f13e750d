import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import type { RowLayout } from "../../schemas/row-layout.ts";
import type { ToldName, toldColumns } from "../../schemas/steps/rules.ts";
import type { Spill } from "../local-store.ts";
import { ArrivalMap, type EntryCodec } from "./arrival-map.ts";

/** A prediction while it waits for its label: what its outcome will need. */
export interface Prediction {
  readonly id: string;
  /** Its knownAt, UTC ms. */
  readonly predictedAt: number;
  /** "" for the fallback, also where the model did not answer. */
  version: string;
  /** Filled in once the model has answered. */
  probability: number;
  /** What it tells of the fields of its record, by their paths; null where no step takes them. */
  readonly keys: Readonly<Record<string, unknown>> | null;
  /** What it tells of its answer besides, filled in with it; null where the step tells nothing. */
  told: Told | null;
}

/** By column of `toldColumns`. */
export type Told = Readonly<Partial<{ [Name in ToldName]: ToldValue<Name> }>>;

type ToldValue<Name extends ToldName> =
  | { number: number; text: string; boolean: boolean }[(typeof toldColumns)[Name]["type"]]
  | ((typeof toldColumns)[Name]["nullable"] extends true ? null : never);

/** The score of whatever answered, which rules may have put aside: what models are judged by. */
export function scoreOf({ probability, told }: Prediction): number {
  return told?.score ?? probability;
}

/** A label that came before its prediction. */
export interface EarlyLabel {
  readonly id: string;
  readonly knownAt: number;
  readonly eventTime: number;
  /** 1 or 0. */
  readonly label: number;
  /** Source partition that it came from. */
  readonly writer: number;
}

/**
 * Joins predictions with labels by id. A label counts if it is known at < predictedAt + within, the
 * first one of a prediction. One that comes before any prediction of its id is early and kept for
 * `within`, the first one of an id, for the prediction that follows.
 *
 * Times never fall from call to call, and `within` is one length, so deadlines come in order of
 * arrival. Memory: the open predictions and unclaimed labels of the last `within`, or of each as
 * many as the spill says; the others stand on disk.
 */
export class LabelJoin {
  readonly #withinMs: number;
  readonly #predictions: EntryCodec<Prediction>;
  readonly #open: ArrivalMap<Prediction>;
  readonly #early: ArrivalMap<EarlyLabel>;

  /**
   * @param keys - of predictions. @default they have none
   * @param told - of their answers besides. @default nothing
   */
  constructor(
    withinMs: number,
    spill: Spill | null = null,
    keys: RowLayout = { fields: [] },
    told: RowLayout = { fields: [] },
  ) {
    this.#withinMs = withinMs;
    this.#predictions = predictionCodec(codecOf(keys), codecOf(told));
    this.#open = new ArrivalMap("open", this.#predictions, spill);
    this.#early = new ArrivalMap("early", earlyLabels, spill);
  }

  /** Entries in memory. */
  get inMemory(): number {
    return this.#open.inMemory + this.#early.inMemory;
  }

  /** Forgets early labels that can no longer join anything at `knownAt`. */
  advanceTo(knownAt: number): void {
    const horizon = knownAt - this.#withinMs;
    for (let first = this.#early.oldest(); first !== undefined; first = this.#early.oldest()) {
      if (first.knownAt >= horizon) break;
      this.#early.take(first.id);
    }
  }

  /** Takes a prediction whose id has no open one; returns the label that waits for it, if any. */
  predict(prediction: Prediction): EarlyLabel | null {
    const early = this.#early.size === 0 ? undefined : this.#early.take(prediction.id);
    if (early !== undefined) return early;
    this.#open.add(prediction);
    return null;
  }

  /** Takes the open prediction of an id, which a label closes; null when there is none. */
  close(id: string): Prediction | null {
    return this.#open.take(id) ?? null;
  }

  /** Keeps a label of an id that has no prediction yet, beyond memory's share on disk. */
  keep(label: EarlyLabel): void {
    if (this.#early.get(label.id) !== undefined) return;
    this.#early.add(label);
    this.#early.trim();
  }

  /** When the oldest open prediction expires; `Infinity` when there is none. */
  nextDeadline(): number {
    const oldest = this.#open.oldest();
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.predictedAt + this.#withinMs;
  }

  /** Closes the prediction whose deadline is {@link nextDeadline}. */
  expire(): Prediction {
    const oldest = this.#open.oldest() as Prediction;
    this.#open.take(oldest.id);
    return oldest;
  }

  /** Moves predictions beyond memory's share to disk: call it while none is unanswered. */
  trim(): void {
    this.#open.trim();
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#open.size);
    for (const prediction of this.#open.values()) this.#predictions.write(writer, prediction);
    writer.u32(this.#early.size);
    for (const label of this.#early.values()) earlyLabels.write(writer, label);
  }

  restore(reader: ByteReader): void {
    this.#open.clear();
    this.#early.clear();
    for (let left = reader.u32(); left > 0; left--) {
      this.#open.add(this.#predictions.read(reader));
      this.#open.trim();
    }
    for (let left = reader.u32(); left > 0; left--) {
      this.#early.add(earlyLabels.read(reader));
      this.#early.trim();
    }
  }
}

function codecOf(layout: RowLayout): RowCodec | null {
  return layout.fields.length === 0 ? null : new RowCodec(layout);
}

function predictionCodec(
  codec: RowCodec | null,
  toldCodec: RowCodec | null,
): EntryCodec<Prediction> {
  return {
    write: (writer, { id, predictedAt, version, probability, keys, told }) => {
      writer.text(id);
      writer.f64(predictedAt);
      writer.text(version);
      writer.f64(probability);
      if (codec !== null && keys !== null) codec.write(writer, keys);
      if (toldCodec !== null) toldCodec.write(writer, told ?? {});
    },
    read: (reader) => ({
      id: reader.text(),
      predictedAt: reader.f64(),
      version: reader.text(),
      probability: reader.f64(),
      keys: codec === null ? null : codec.read(reader),
      told: toldCodec === null ? null : (toldCodec.read(reader) as Told),
    }),
  };
}

const earlyLabels: EntryCodec<EarlyLabel> = {
  write: (writer, { id, knownAt, eventTime, label, writer: from }) => {
    writer.text(id);
    writer.f64(knownAt);
    writer.f64(eventTime);
    writer.u8(label);
    writer.u16(from);
  },
  read: (reader) => ({
    id: reader.text(),
    knownAt: reader.f64(),
    eventTime: reader.f64(),
    label: reader.u8(),
    writer: reader.u16(),
  }),
};
