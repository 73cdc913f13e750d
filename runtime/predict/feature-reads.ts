import { FeatureAssembly } from "../../processors/scoring/feature-assembly.ts";
import { StoredAnswers } from "../../processors/view/stored-answers.ts";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { onlineName } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { viewNamed } from "../../schemas/plan-facts.ts";
import type { LookupSpec } from "../../schemas/steps/predictions.ts";
import type { ScoringOperator } from "../../schemas/steps/scoring.ts";
import { judgeFreshness } from "../../sinks/freshness.ts";
import { onlineViewOf } from "../../sinks/online-namespace.ts";
import type { Freshness, OnlineEntry, OnlineKey, OnlineStore } from "../../sinks/store.ts";

/** What is known of the row behind one look-up. */
export interface LookedUp {
  /** Prefix of its features. */
  readonly slot: string;
  /** `name@version`. */
  readonly view: string;
  readonly entity: string;
  readonly status: Exclude<Freshness, "DEFAULT">;
  /** UTC ms; null: there is no row. */
  readonly asOf: number | null;
  /** From `asOf` to the look-up, ms. */
  readonly ageMs: number | null;
}

/** Features of records, but for those that the records bring themselves. */
export interface ReadFeatures {
  /** Copies those of a record, and tells since when the newest of its rows is in force. */
  readonly take: (record: number, target: Float64Array, at: number) => number;
  /** By record, by slot. */
  readonly lookedUp: readonly (readonly LookedUp[])[];
}

interface Slot {
  readonly slot: string;
  readonly view: string;
  readonly ttlMs: number;
  readonly online: string;
  readonly partitions: number;
  readonly answers: StoredAnswers;
}

/**
 * Reads the features of a scoring step from the online store, in one round trip, and assembles them
 * as its tasks do: from answers with the same bytes, by the same code.
 */
export class FeatureReads {
  /** Features that come from views; those of the record follow them. */
  readonly width: number;
  readonly #slots: readonly Slot[];
  readonly #assembly: FeatureAssembly;
  readonly #store: Pick<OnlineStore, "read">;
  readonly #answer = new ByteWriter();

  /** @throws {MillraceError} STEP_UNSERVED where a view is not in the online store. */
  constructor(plan: Plan, operator: ScoringOperator, store: Pick<OnlineStore, "read">) {
    const { name, lookups } = operator.scoring;
    this.#slots = lookups.map((lookup) => slotOf(plan, name, lookup));
    this.#assembly = new FeatureAssembly(operator, false);
    this.#store = store;
    this.width = this.#assembly.width;
  }

  /**
   * @param entities - by record, by slot.
   * @param at - event time, UTC ms; null: of each row how far its view has come.
   * @param freshLagMs - how far a view may lie behind with its rows still FRESH.
   */
  async read(
    entities: readonly (readonly string[])[],
    at: number | null,
    freshLagMs: number,
  ): Promise<ReadFeatures> {
    const places = new Map<string, number>();
    const keys: OnlineKey[] = [];
    const placeOf = entities.map((of) =>
      this.#slots.map(({ online, partitions }, slot) => {
        const entityKey = of[slot] ?? "";
        const name = `${online}\0${entityKey}`;
        const place = places.get(name);
        if (place !== undefined) return place;
        places.set(name, keys.length);
        const partition = partitionOf(entityKey, partitions);
        return keys.push({ view: online, entityKey, partition }) - 1;
      }),
    );
    const entries = keys.length === 0 ? [] : await this.#store.read(keys);
    const looked = placeOf.map((of) =>
      of.map((place, slot) => judge(this.#slots[slot] as Slot, entries[place], at, freshLagMs)),
    );
    return {
      take: (record, target, start) => this.#take(looked[record] ?? [], target, start),
      lookedUp: looked.map((of, record) =>
        of.map(({ status, row, q }, slot): LookedUp => {
          const { slot: name, view } = this.#slots[slot] as Slot;
          const entity = entities[record]?.[slot] ?? "";
          const asOf = row?.asOf ?? null;
          return { slot: name, view, entity, status, asOf, ageMs: asOf === null ? null : q - asOf };
        }),
      ),
    };
  }

  #take(of: readonly Judged[], target: Float64Array, start: number): number {
    for (const [slot, { row, q }] of of.entries()) {
      this.#answer.reset();
      this.#slots[slot]?.answers.write(this.#answer, "", slot, q, row);
      this.#assembly.answer(new ByteReader(this.#answer.buffer, 0, this.#answer.position));
    }
    return this.#assembly.take("", target, start);
  }
}

interface Judged {
  readonly status: LookedUp["status"];
  /** Null: MISSING. */
  readonly row: OnlineEntry["row"];
  readonly q: number;
}

const nothing: OnlineEntry = { row: null, progress: Number.NEGATIVE_INFINITY };

/** What is older than the ttl is not served, as everywhere. */
function judge(
  { ttlMs }: Slot,
  entry: OnlineEntry = nothing,
  at: number | null,
  freshLagMs: number,
): Judged {
  const q = at ?? entry.progress;
  const limits = { ttlMs, maxLagMs: Number.POSITIVE_INFINITY, freshLagMs };
  const { freshness: status } = judgeFreshness(entry, q, limits);
  return { status, row: status === "MISSING" ? null : entry.row, q };
}

function slotOf(plan: Plan, step: string, { slot, view: id }: LookupSpec): Slot {
  const view = viewNamed(plan, id);
  if (view === undefined) throw new RangeError(`${step} looks up ${id}, which is no view`);
  if (!view.stores.includes("online")) {
    const reason = `it looks up ${id}, which is not in the online store: write it into(online)`;
    throw new MillraceError("STEP_UNSERVED", { step, reason });
  }
  const { ttlMs } = view;
  const online = onlineViewOf(topologyOf(plan), onlineName(view));
  const { partitions } = plan;
  return { slot, view: id, ttlMs, online, partitions, answers: new StoredAnswers(view) };
}
