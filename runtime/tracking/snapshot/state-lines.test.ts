import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TrackingCommand, TrackingCommands } from "../../../schemas/tracking-command.ts";
import { FileTree } from "../fold/file-tree.ts";
import { type Outcome, TrackingFold } from "../fold/tracking-fold.ts";
import type { TrackingState } from "../fold/tracking-state.ts";
import { packLines, unpackLines } from "./packed-lines.ts";
import { StateReader, stateLines } from "./state-lines.ts";

/** Few of each, so that most commands meet something. */
const pick = <Value>(...values: readonly Value[]) => fc.constantFrom(...values);
const text = fc.oneof(pick("", "a", "ü\n\ud800", "__proto__"), fc.string({ maxLength: 5 }));
const key = pick("a", "b", "loss/val", "__proto__", "mlflow.runName");
const pairs = fc.array(fc.record({ key, value: text }), { maxLength: 3 });
const run = pick("r1", "r2");
const experiment = pick("0", "1", "2");
const name = pick("m1", "m2", "m3", "constructor");
const model = pick("l1", "l2");
const version = fc.integer({ min: 1, max: 3 });
const time = fc.integer({ min: 0, max: 5 });
const value = fc.oneof(
  pick<"NaN" | "Infinity" | "-Infinity">("NaN", "Infinity", "-Infinity"),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const file = fc.record({ sha256: pick("00", "11"), sizeBytes: time });
const metric = fc
  .record({
    key,
    value,
    timestamp: time,
    step: time,
    rest: fc.option(fc.record({ modelId: model })),
  })
  .map(({ rest, ...point }) => ({ ...point, ...rest }));
const dataset = fc.record({
  tags: pairs,
  dataset: fc.record({ name: pick("d1", "d2"), digest: pick("x", "y") }),
});
const some = <Value>(of: fc.Arbitrary<Value>) => fc.array(of, { maxLength: 3 });
const path = fc
  .tuple(pick("0/r1", "0/r2", "1/r2", "0/models/l1"), pick("a", "a/b", "__proto__/c"))
  .map(([owner, rest]) => `${owner}/artifacts/${rest}`);
const versionAsked = fc.record({
  ...{ name, native: pick("", "v1", "v2", "v3"), sha256: pick("", "00"), source: text },
  ...{ run: pick("", "r1"), runLink: text, model: pick("", "l1"), description: text },
  ...{ tags: pairs, files: fc.dictionary(pick("a", "b/c", "MLmodel"), file), why: text },
});
const tagged = { key, value: fc.option(text) };

const kinds: { readonly [K in keyof TrackingCommands]: fc.Arbitrary<object> } = {
  "experiment.create": fc.record({ name, location: pick(""), tags: pairs }),
  "experiment.rename": fc.record({ experiment, name }),
  "experiment.delete": fc.record({ experiment }),
  "experiment.restore": fc.record({ experiment }),
  "experiment.tag": fc.record({ experiment, ...tagged }),
  "run.create": fc.record({
    run,
    experiment,
    user: text,
    name: text,
    startTime: time,
    tags: pairs,
  }),
  "run.adopt": fc.record({
    ...{ run, experiment: name, user: text, name: text, status: pick("FINISHED", "FAILED") },
    ...{ startTime: time, endTime: time, params: pairs, tags: pairs },
    ...{ metrics: some(metric), datasets: some(dataset) },
  }),
  "run.update": fc.record({ run, status: pick("KILLED"), name: text }, { requiredKeys: ["run"] }),
  "run.delete": fc.record({ run }),
  "run.restore": fc.record({ run }),
  "run.log": fc.record({ run, metrics: some(metric), params: pairs, tags: pairs }),
  "run.untag": fc.record({ run, key }),
  "run.inputs": fc.record({ run, datasets: some(dataset), models: some(model) }),
  "run.outputs": fc.record({ run, models: some(fc.record({ modelId: model, step: time })) }),
  "logged-model.create": fc.record({
    ...{ model, experiment, name, type: text, run, params: pairs, tags: pairs },
  }),
  "logged-model.finish": fc.record({ model, status: pick("LOGGED_MODEL_READY") }),
  "logged-model.delete": fc.record({ model }),
  "logged-model.params": fc.record({ model, params: pairs }),
  "logged-model.tag": fc.record({ model, tags: pairs }),
  "logged-model.untag": fc.record({ model, key }),
  "name.create": fc.record({ name, tags: pairs, description: text }),
  "name.rename": fc.record({ name, newName: name }),
  "name.describe": fc.record({ name, description: text }),
  "name.delete": fc.record({ name }),
  "name.tag": fc.record({ name, ...tagged }),
  "alias.set": fc.record({ name, alias: pick("champion", "old"), version, why: text }),
  "alias.delete": fc.record({ name, alias: pick("champion", "old") }),
  "version.create": versionAsked,
  "version.adopt": versionAsked,
  "version.describe": fc.record({ name, version, description: text }),
  "version.delete": fc.record({ name, version }),
  "version.stage": fc.record({ name, version, stage: pick("A", "B"), archive: fc.boolean() }),
  "version.tag": fc.record({ name, version, ...tagged }),
  "artifact.put": fc.record({ path, file }),
  "artifact.delete": fc.record({ path }),
};

const frequent = [
  ...(["run.create", "run.log", "run.delete", "run.restore", "name.create"] as const),
  ...(["version.create", "artifact.put", "logged-model.create"] as const),
  ...(["logged-model.tag", "logged-model.untag", "artifact.delete"] as const),
  ...(["experiment.create", "experiment.delete", "experiment.restore"] as const),
] as const;
/** An id may come again, as a producer's repetitions do. */
const id = fc.oneof(
  { arbitrary: fc.integer({ min: 100, max: 1e9 }), weight: 9 },
  { arbitrary: fc.integer({ min: 0, max: 20 }), weight: 1 },
);
const head = fc.record({ id: id.map(String), at: time, by: pick("x", "y") });
const command = fc
  .tuple(
    head,
    fc.oneof(
      ...Object.entries(kinds).map(([kind, asked]) => ({
        arbitrary: asked.map((each) => ({ kind, ...each })),
        weight: frequent.some((each) => each === kind) ? 6 : 1,
      })),
    ),
  )
  .map((parts) => JSON.parse(JSON.stringify(Object.assign({}, ...parts))) as TrackingCommand);

/** All that a state holds, in its order, but for the order of what is only looked up by name. */
function stateOf({ experimentsByName, ...rest }: TrackingState): unknown {
  const named = [...experimentsByName].map(([of, { id }]) => `${of} ${id}`);
  return { named: named.sort(), ...(whole(rest) as object) };
}

/** All that a value holds, in its order. */
function whole(of: unknown): unknown {
  if (of instanceof Map) return [...of].map(([name_, each]) => [name_, whole(each)]);
  if (of instanceof Set) return [...of];
  if (of instanceof FileTree) {
    return { size: of.size, files: [...of.entries()].sort(([a], [b]) => (a < b ? -1 : 1)) };
  }
  if (Array.isArray(of)) return of.map(whole);
  if (typeof of !== "object" || of === null) return of;
  return Object.fromEntries(Object.entries(of).map(([name_, each]) => [`.${name_}`, whole(each)]));
}

const told = (outcome: Outcome | null) =>
  outcome !== null && "refused" in outcome ? outcome.refused.message : whole(outcome);

async function throughLines(fold: TrackingFold, pieceBytes: number): Promise<TrackingFold> {
  const packed = await packLines(stateLines(fold), pieceBytes);
  const reader = new StateReader();
  const pieces = async function* () {
    yield* packed.pieces;
  };
  await unpackLines(pieces(), packed, (line) => reader.add(line));
  return reader.fold();
}

test("what follows a snapshot leads to what the whole log leads to, wherever it is cut", async () => {
  const held = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 50, maxLength: 250, size: "max" }),
      fc.nat(),
      async (commands, at) => {
        const original = new TrackingFold();
        const cut = at % (commands.length + 1);
        for (const each of commands.slice(0, cut)) {
          const outcome = original.apply(each);
          if (outcome === null || "refused" in outcome) continue;
          held.set(each.kind, (held.get(each.kind) ?? 0) + 1);
        }
        const copy = await throughLines(original, 100);
        assert.deepStrictEqual(stateOf(copy.state), stateOf(original.state));
        assert.deepStrictEqual([...copy.seen], [...original.seen]);
        for (const each of commands.slice(cut)) {
          assert.deepStrictEqual(told(copy.apply(each)), told(original.apply(each)));
        }
        assert.deepStrictEqual(stateOf(copy.state), stateOf(original.state));
      },
    ),
    { numRuns: 200 },
  );
  const never = Object.keys(kinds).filter((kind) => !held.has(kind));
  assert.deepEqual(never, [], "each kind of command stood before a cut");
});

test("what is logged while points are packed is no part of the snapshot", () => {
  const fold = new TrackingFold();
  const log = (step: number) => {
    const metrics = ["m", "n"].map((of) => ({ key: of, value: step, timestamp: 1, step }));
    const asked = { kind: "run.log", run: "r", metrics, params: [], tags: [] };
    fold.apply({ id: String(step), at: 1, by: "", ...asked } as unknown as TrackingCommand);
  };
  const made = { run: "r", experiment: "0", user: "", name: "", startTime: 1, tags: [] };
  fold.apply({ id: "made", at: 1, by: "", kind: "run.create", ...made });
  for (let step = 0; step < 1_500; step++) log(step);
  const expected = stateOf(fold.state);
  const reader = new StateReader();
  let isHeld = true;
  const lines = stateLines(fold, () => {
    isHeld = false;
  });
  let unheld = 0;
  for (const line of lines) {
    reader.add(line);
    if (!isHeld) log(2_000 + unheld++);
  }
  assert.equal(unheld, 4, "the lines of points");
  assert.deepStrictEqual(stateOf(reader.fold().state), expected);
  assert.equal(fold.state.runs.get("r")?.metrics.get("m")?.points.length, 1_504);
});

test("a metric of many points, and ids and files of many lines, come through whole", async () => {
  const fold = new TrackingFold();
  const ask = (id: number, asked: object) =>
    fold.apply({ id: String(id), at: id, by: "x", ...asked } as unknown as TrackingCommand);
  ask(0, {
    kind: "run.create",
    run: "r",
    experiment: "0",
    user: "",
    name: "n",
    startTime: 1,
    tags: [],
  });
  for (let step = 0; step < 2_500; step++) {
    const metrics = [{ key: "m", value: step / 7, timestamp: step, step }];
    ask(step + 1, { kind: "run.log", run: "r", metrics, params: [], tags: [] });
    const put = { path: `0/r/artifacts/${step}`, file: { sha256: "00", sizeBytes: step } };
    ask(step + 10_000, { kind: "artifact.put", ...put });
  }
  const copy = await throughLines(fold, 1_000);
  assert.deepStrictEqual(stateOf(copy.state), stateOf(fold.state));
  assert.deepStrictEqual([...copy.seen], [...fold.seen]);
  assert.equal(copy.state.runs.get("r")?.metrics.get("m")?.latest.step, 2_499);
});

test("lines that are cut, changed or of a later format are none", async () => {
  const packed = await packLines(stateLines(new TrackingFold()), 40);
  const read = async (pieces: readonly Buffer[], changed: Partial<typeof packed> = {}) => {
    const reader = new StateReader();
    const all = async function* () {
      yield* pieces;
    };
    await unpackLines(all(), { ...packed, ...changed }, (line) => reader.add(line));
  };
  await read(packed.pieces);
  await assert.rejects(read(packed.pieces.slice(0, -1)));
  await assert.rejects(read(packed.pieces, { bytes: packed.bytes - 1 }), /more than its/);
  await assert.rejects(read(packed.pieces, { bytes: packed.bytes + 1 }), /unpacks to/);
  await assert.rejects(read(packed.pieces, { sha256: "00" }), /sha256/);
  assert.throws(() => new StateReader().add('["thing",1]'), /later format/);
});
