import type { StoredFile } from "../../../schemas/tracking-command.ts";
import { FileTree } from "../fold/file-tree.ts";
import { addPoint } from "../fold/runs.ts";
import { TrackingFold } from "../fold/tracking-fold.ts";
import {
  type MetricPoint,
  type ModelVersion,
  nothingTracked,
  type TrackingState,
} from "../fold/tracking-state.ts";

/** All that later commands are decided by. */
interface Whole {
  readonly state: TrackingState;
  readonly seen: Set<string>;
}

/** A part of the state, as values of JSON that it is made again from, in the order of the state. */
interface Section<Value> {
  values(whole: Whole): Iterable<Value>;
  take(whole: Whole, value: Value): void;
}

/** Points, notes, files and ids of one line, at most. */
const chunk = 1_000;

const section = <Value>(each: Section<Value>): Section<Value> => each;
const mapOf = <Value>(entries: readonly (readonly [string, Value])[]) => new Map(entries);

/** In the order in which they are read: what names another comes behind it. */
const sections = {
  next: section({
    values: ({ state }) => [state.nextExperiment],
    take: ({ state }, next: number) => {
      state.nextExperiment = next;
    },
  }),
  experiment: section({
    values: ({ state }) =>
      mapped(state.experiments.values(), ({ tags, ...rest }) => ({ ...rest, tags: [...tags] })),
    take: ({ state }, { tags, ...rest }) => {
      const made = { ...rest, tags: mapOf(tags) };
      state.experiments.set(made.id, made);
      state.experimentsByName.set(made.name, made);
    },
  }),
  run: section({
    values: ({ state }) =>
      mapped(state.runs.values(), ({ params, tags, metrics: _, ...rest }) => {
        return { ...rest, params: [...params], tags: [...tags] };
      }),
    take: ({ state }, { params, tags, ...rest }) => {
      const maps = { params: mapOf(params), tags: mapOf(tags), metrics: new Map() };
      state.runs.set(rest.id, { ...rest, ...maps });
    },
  }),
  "logged-model": section({
    values: ({ state }) =>
      mapped(state.loggedModels.values(), ({ params, tags, ...rest }) => {
        return { ...rest, params: [...params], tags: [...tags] };
      }),
    take: ({ state }, { params, tags, ...rest }) => {
      state.loggedModels.set(rest.id, { ...rest, params: mapOf(params), tags: mapOf(tags) });
    },
  }),
  "registered-model": section({
    values: ({ state }) =>
      mapped(state.registeredModels.values(), (model) => {
        const { tags, aliases, natives, versions: _, ...rest } = model;
        return { ...rest, tags: [...tags], aliases: [...aliases], natives: [...natives] };
      }),
    take: ({ state }, { tags, aliases, natives, ...rest }) => {
      const maps = { tags: mapOf(tags), aliases: mapOf(aliases), natives: mapOf(natives) };
      state.registeredModels.set(rest.name, { ...rest, ...maps, versions: new Map() });
    },
  }),
  version: section({
    *values({ state }) {
      for (const { name, versions } of state.registeredModels.values()) {
        for (const version of versions.values()) yield { name, version: packedVersion(version) };
      }
    },
    take: ({ state }, { name, version: { tags, files, ...rest } }) => {
      const model = state.registeredModels.get(name);
      if (model === undefined) throw new Error(`it has a version of ${name} without the name`);
      const tree = new FileTree<StoredFile>();
      for (const [path, file] of files) tree.put(path, file);
      model.versions.set(rest.number, { ...rest, tags: mapOf(tags), files: tree });
    },
  }),
  history: section({
    *values({ state }) {
      for (const [name, all] of state.modelHistory) {
        for (const notes of chunks(all)) yield { name, notes };
      }
    },
    take: ({ state }, { name, notes }) => {
      const known = state.modelHistory.get(name);
      if (known === undefined) state.modelHistory.set(name, notes);
      else known.push(...notes);
    },
  }),
  files: section({
    values: ({ state }) => chunks(state.files.entries()),
    take: ({ state }, files) => {
      for (const [path, file] of files) state.files.put(path, file);
    },
  }),
  seen: section({
    values: ({ seen }) => chunks(seen),
    take: ({ seen }, ids) => {
      for (const id of ids) seen.add(id);
    },
  }),
  // Last, for they are the most, and what stands in a list of them never changes.
  points: section<PointsLine>({
    values: ({ state }) => pointLines(pointsOf(state)),
    take: ({ state }, { run, key, points }) => {
      const found = state.runs.get(run);
      if (found === undefined) throw new Error(`it has points of the run ${run} without the run`);
      for (const [value, timestamp, step, rest] of points) {
        addPoint(found, { key, value: Number(value), timestamp, step, ...rest });
      }
    },
  }),
} as const;

/**
 * The state that a fold has come to, as lines of JSON: enough to go on as if from the start.
 *
 * @param unheld - called once the fold may go on: what is still to come does not change. Until then
 * it has to stay as it is, from the first line on.
 */
export function* stateLines(
  { state, seen }: TrackingFold,
  unheld: () => void = () => {},
): Generator<string> {
  const whole = { state, seen: new Set(seen) };
  const points = pointsOf(state);
  for (const [name, { values }] of Object.entries<Section<unknown>>(sections)) {
    if (name === "points") continue;
    for (const value of values(whole)) yield lineOf(name, value);
  }
  unheld();
  for (const value of pointLines(points)) yield lineOf("points", value);
}

function lineOf(name: string, value: unknown): string {
  return JSON.stringify([name, value]);
}

/** Makes a fold of the lines of another, one after the other. */
export class StateReader {
  readonly #whole: Whole = { state: nothingTracked(), seen: new Set() };

  /** @throws {Error} why it is no line of this format. */
  add(line: string): void {
    const [name = "", value] = JSON.parse(line) as [string?, unknown?];
    if (!Object.hasOwn(sections, name))
      throw new Error(`it has ${name.slice(0, 50)}, of a later format`);
    const { take } = sections[name as keyof typeof sections] as Section<unknown>;
    take(this.#whole, value);
  }

  /** With the last line. */
  fold(): TrackingFold {
    return new TrackingFold(this.#whole.state, this.#whole.seen);
  }
}

/** Value (a text where JSON has no such number), timestamp, step, and what else it has. */
type PackedPoint = readonly [
  value: number | string,
  timestamp: number,
  step: number,
  rest?: Omit<MetricPoint, "key" | "value" | "timestamp" | "step">,
];

interface PointsLine {
  readonly run: string;
  readonly key: string;
  readonly points: readonly PackedPoint[];
}

/** The points of a metric up to a count: more may come behind them. */
interface Points {
  readonly run: string;
  readonly key: string;
  readonly points: readonly MetricPoint[];
  readonly count: number;
}

function pointsOf({ runs }: TrackingState): Points[] {
  return [...runs.values()].flatMap(({ id: run, metrics }) =>
    [...metrics].map(([key, { points }]) => ({ run, key, points, count: points.length })),
  );
}

function* pointLines(all: readonly Points[]): Generator<PointsLine> {
  for (const { run, key, points, count } of all) {
    for (let from = 0; from < count; from += chunk) {
      const some = points.slice(from, Math.min(count, from + chunk));
      yield { run, key, points: some.map(packedPoint) };
    }
  }
}

function packedPoint({ key: _, value, timestamp, step, ...rest }: MetricPoint): PackedPoint {
  const isPlain = Number.isFinite(value) && !Object.is(value, -0);
  const told = isPlain ? value : Object.is(value, -0) ? "-0" : String(value);
  return Object.keys(rest).length === 0 ? [told, timestamp, step] : [told, timestamp, step, rest];
}

function packedVersion({ tags, files, ...rest }: ModelVersion) {
  return { ...rest, tags: [...tags], files: [...files.entries()] };
}

function* mapped<From, To>(all: Iterable<From>, to: (from: From) => To): Generator<To> {
  for (const each of all) yield to(each);
}

function* chunks<Item>(all: Iterable<Item>): Generator<Item[]> {
  let some: Item[] = [];
  for (const each of all) {
    some.push(each);
    if (some.length < chunk) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
