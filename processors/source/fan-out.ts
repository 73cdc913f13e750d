import type { Ports } from "../../schemas/plan.ts";
import type { RouteSpec } from "../../schemas/route.ts";
import { through } from "../../schemas/transforms/through.ts";
import type { Fields } from "../../schemas/transforms/transform.ts";
import { tallyOf } from "../branch-tally.ts";
import type { BranchCounters, Counters, Outbox, RefusedRecord } from "../processor.ts";
import { RecordBounds } from "./record-bounds.ts";
import { Route, type StampedRecord } from "./routes.ts";

/** Routes whose records go through the same first. */
interface Branch {
  /** What becomes of a record, null where it is left out. Undefined: it stays as it is. */
  readonly derive: ((record: Fields) => Fields | null) | undefined;
  readonly bounds: RecordBounds;
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
      derive: specs && through(specs),
      bounds: new RecordBounds(keysOf(alike)),
      routes: alike.map((route) => new Route(route, ports)),
      tallies: [],
      fields: null,
    }));
  }

  /**
   * Counts, judges and writes a record that a step yields. What becomes of it in a branch and is
   * too large is a dead letter of the step, and counted so; the other branches have theirs.
   */
  pass(fields: Fields, record: StampedRecord, out: Outbox): void {
    for (const each of this.#tallies) each.in++;
    for (const branch of this.#branches) {
      branch.fields = branch.derive === undefined ? fields : branch.derive(fields);
      const code = branch.fields === null ? null : branch.bounds.judge(branch.fields);
      if (code === null) writeBranch(branch, record, out);
      else refuseBranch(branch, code, record, out);
    }
  }

  /** Takes a record in hand; says what of it, or of what becomes of it, is too large, or null. */
  judge(record: Fields): ReturnType<RecordBounds["judge"]> {
    let rejection = this.#bounds.judge(record);
    for (const branch of this.#branches) {
      if (branch.derive === undefined) branch.fields = record;
      else {
        branch.fields = branch.derive(record);
        if (branch.fields !== null) rejection ??= branch.bounds.judge(branch.fields);
      }
    }
    return rejection;
  }

  /** Writes what becomes of the record in hand, and counts where it is left out. */
  write(record: StampedRecord, out: Outbox): void {
    for (const branch of this.#branches) writeBranch(branch, record, out);
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

function writeBranch(
  { fields, routes, tallies }: Branch,
  record: StampedRecord,
  out: Outbox,
): void {
  if (fields === null) {
    for (const tally of tallies) if (tally !== undefined) tally.excluded++;
    return;
  }
  record.fields = fields;
  for (let i = 0; i < routes.length; i++) {
    const sent = (routes[i] as Route).write(record, out);
    const tally = tallies[i];
    if (!sent && tally !== undefined) tally.deadLettered++;
  }
}

/** One dead letter for all routes: they would have had the same record. */
function refuseBranch(
  { fields, routes, tallies }: Branch,
  code: RefusedRecord["code"],
  record: StampedRecord,
  out: Outbox,
): void {
  record.fields = fields as Fields;
  routes[0]?.refuse(code, record, out);
  for (const tally of tallies) if (tally !== undefined) tally.deadLettered++;
}
