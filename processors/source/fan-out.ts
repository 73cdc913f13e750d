import { ClosureFailure } from "../../schemas/expression.ts";
import type { Ports } from "../../schemas/plan.ts";
import type { RouteSpec } from "../../schemas/route.ts";
import { through } from "../../schemas/transforms/through.ts";
import type { Fields } from "../../schemas/transforms/transform.ts";
import { tallyOf } from "../branch-tally.ts";
import type { BranchCounters, Counters, Outbox } from "../processor.ts";
import { RecordBounds } from "./record-bounds.ts";
import { type Refusal, Route, type StampedRecord } from "./routes.ts";

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
    const idsOf = (alike: readonly RouteSpec[] = []) =>
      alike.flatMap(({ key, signedKey }) => (signedKey === true ? key : []));
    const untouched = shared.get(undefined);
    this.#bounds = new RecordBounds([...keysOf(untouched), key], idsOf(untouched));
    this.#branches = [...shared].map(([specs, alike]) => ({
      derive: specs && through(specs),
      bounds: new RecordBounds(keysOf(alike), idsOf(alike)),
      routes: alike.map((route) => new Route(route, ports)),
      tallies: [],
      fields: null,
    }));
  }

  /**
   * Counts, judges and writes a record that a step yields. What becomes of it in a branch and is
   * too large, or has a closure fail, is a dead letter of the step, and counted so; the other
   * branches have theirs.
   */
  pass(fields: Fields, record: StampedRecord, out: Outbox): void {
    for (const each of this.#tallies) each.in++;
    for (const branch of this.#branches) {
      const why = take(branch, fields) ?? boundOf(branch);
      if (why === null) writeBranch(branch, record, out);
      else refuseBranch(branch, why, fields, record, out);
    }
  }

  /** Takes a record in hand; says why it, or what becomes of it, is refused, or null. */
  judge(record: Fields): Refusal | null {
    let refusal: Refusal | null = this.#bounds.judge(record);
    for (const branch of this.#branches) {
      const failure = take(branch, record);
      refusal ??= failure ?? (branch.derive === undefined ? null : boundOf(branch));
    }
    return refusal;
  }

  /** Writes what becomes of the record in hand, and counts where it, or its key, is left out. */
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
    const route = routes[i] as Route;
    const tally = tallies[i];
    if (route.isKeyless(fields)) {
      if (tally !== undefined) tally.filtered++;
      continue;
    }
    const sent = route.write(record, out);
    if (!sent && tally !== undefined) tally.deadLettered++;
  }
}

/** Takes what becomes of a record in hand: a closure that fails on it is told. */
function take(branch: Branch, record: Fields): ClosureFailure | null {
  branch.fields = null;
  try {
    branch.fields = branch.derive === undefined ? record : branch.derive(record);
    if (branch.fields !== null) for (const route of branch.routes) route.ask(branch.fields);
  } catch (error) {
    if (error instanceof ClosureFailure) return error;
    throw error;
  }
  return null;
}

function boundOf({ bounds, fields }: Branch): Refusal | null {
  return fields === null ? null : bounds.judge(fields);
}

/** One dead letter for all routes: they would have had the same record. */
function refuseBranch(
  { fields, routes, tallies }: Branch,
  why: Refusal,
  given: Fields,
  record: StampedRecord,
  out: Outbox,
): void {
  record.fields = fields ?? given;
  routes[0]?.refuse(why, fields !== null, record, out);
  for (const tally of tallies) if (tally !== undefined) tally.deadLettered++;
}
