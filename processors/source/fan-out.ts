import type { Ports } from "../../schemas/plan.ts";
import type { RouteSpec } from "../../schemas/route.ts";
import { through } from "../../schemas/transforms/through.ts";
import type { Fields } from "../../schemas/transforms/transform.ts";
import { tallyOf } from "../branch-tally.ts";
import type { BranchCounters, Counters, Outbox } from "../processor.ts";
import { RecordBounds } from "./record-bounds.ts";
import { Route, type StampedRecord } from "./routes.ts";

/** Routes whose records go through the same first. */
interface Branch {
  /** Undefined: nothing, the record is in bounds as it is. */
  readonly through:
    | { readonly derive: (record: Fields) => Fields | null; readonly bounds: RecordBounds }
    | undefined;
  readonly routes: readonly Route[];
  /** By route the tally of who answers for the records; undefined: nobody. */
  tallies: readonly (BranchCounters | undefined)[];
  /** What became of the record in hand; null where it is left out. */
  fields: Fields | null;
}

/** All that one stream of records is asked for: each record is judged once, and then written. */
export class FanOut {
  readonly #bounds: RecordBounds;
  readonly #branches: readonly Branch[];
  #tallies: readonly BranchCounters[] = [];

  /** @param key - fields of a key that is made of each record besides. */
  constructor(routes: readonly RouteSpec[], ports: Ports, key: readonly string[]) {
    const shared = new Map<RouteSpec["through"], RouteSpec[]>();
    for (const route of routes) {
      const alike = shared.get(route.through);
      if (alike === undefined) shared.set(route.through, [route]);
      else alike.push(route);
    }
    const keysOf = (alike: readonly RouteSpec[] = []) =>
      alike.flatMap(({ key, laterKeys = [] }) => [key, ...laterKeys]);
    this.#bounds = new RecordBounds([...keysOf(shared.get(undefined)), key]);
    this.#branches = [...shared].map(([specs, alike]) => ({
      through: specs && { derive: through(specs), bounds: new RecordBounds(keysOf(alike)) },
      routes: alike.map((route) => new Route(route, ports)),
      tallies: [],
      fields: null,
    }));
  }

  /** Counts, judges and writes a record that a step yields, whose source has been judged. */
  pass(fields: Fields, record: StampedRecord, out: Outbox): void {
    // The source has held the record to the keys that are made of its fields.
    const fits = this.judge(fields) === null;
    for (const each of this.#tallies) {
      each.in++;
      if (!fits) each.deadLettered++;
    }
    if (fits) this.write(record, out);
  }

  /** Takes a record in hand; says what of it, or of what becomes of it, is too large, or null. */
  judge(record: Fields): ReturnType<RecordBounds["judge"]> {
    let rejection = this.#bounds.judge(record);
    for (const branch of this.#branches) {
      if (branch.through === undefined) branch.fields = record;
      else {
        const { derive, bounds } = branch.through;
        branch.fields = derive(record);
        if (branch.fields !== null) rejection ??= bounds.judge(branch.fields);
      }
    }
    return rejection;
  }

  /** Writes what becomes of the record in hand, and counts where it is left out. */
  write(record: StampedRecord, out: Outbox): void {
    for (const { fields, routes, tallies } of this.#branches) {
      if (fields === null) {
        for (const tally of tallies) if (tally !== undefined) tally.excluded++;
        continue;
      }
      record.fields = fields;
      for (let i = 0; i < routes.length; i++) {
        const sent = (routes[i] as Route).write(record, out);
        const tally = tallies[i];
        if (!sent && tally !== undefined) tally.deadLettered++;
      }
    }
  }

  /** Tallies of those who answer for the records, at a partition; ask again once restored. */
  findTallies(counters: Counters, partition: number): readonly BranchCounters[] {
    for (const branch of this.#branches) {
      branch.tallies = branch.routes.map(({ counted }) =>
        counted === null ? undefined : tallyOf(counters, counted, partition),
      );
    }
    this.#tallies = this.#branches.flatMap(({ tallies }) =>
      tallies.filter((each) => each !== undefined),
    );
    return this.#tallies;
  }
}
