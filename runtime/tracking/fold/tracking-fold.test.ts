import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  TrackingCommand,
  TrackingCommands,
  TrackingKind,
} from "../../../schemas/tracking-command.ts";
import { FileTree } from "./file-tree.ts";
import { TrackingFold } from "./tracking-fold.ts";

function folded() {
  const fold = new TrackingFold();
  let count = 0;
  /** Code of the refusal; null: it holds. */
  const ask = <K extends TrackingKind>(kind: K, asked: TrackingCommands[K]): string | null => {
    const head = { id: String(count++), at: count, by: "test", kind };
    const outcome = fold.apply({ ...head, ...asked } as unknown as TrackingCommand);
    return outcome !== null && "refused" in outcome ? outcome.refused.code : null;
  };
  return { fold, ask };
}

const run = { run: "r", experiment: "1", user: "u", name: "run", startTime: 1, tags: [] };
const nothing = { run: "r", metrics: [], params: [], tags: [] };

test("what is deleted takes nothing more, and comes back as it was", () => {
  const { fold, ask } = folded();
  assert.equal(ask("experiment.create", { name: "e", location: "", tags: [] }), null);
  assert.equal(ask("run.create", run), null);
  assert.equal(ask("run.create", { ...run, run: "gone" }), null);
  assert.equal(ask("run.delete", { run: "gone" }), null);
  assert.equal(ask("experiment.delete", { experiment: "1" }), null);
  assert.equal(ask("run.log", nothing), "TRACKING_INVALID");
  assert.equal(ask("run.create", { ...run, run: "late" }), "TRACKING_INVALID");
  assert.equal(ask("run.restore", { run: "gone" }), "TRACKING_INVALID");
  assert.equal(ask("experiment.create", { name: "e", location: "", tags: [] }), "TRACKING_EXISTS");
  assert.equal(ask("experiment.restore", { experiment: "1" }), null);
  assert.equal(ask("experiment.restore", { experiment: "1" }), "TRACKING_INVALID");
  const stages = [...fold.state.runs.values()].map(({ id, stage }) => [id, stage]);
  assert.deepEqual(stages, [
    ["r", "active"],
    ["gone", "deleted"],
  ]);
  assert.equal(ask("experiment.delete", { experiment: "0" }), "TRACKING_INVALID");
});

test("a refused command changes nothing, whatever of it would hold", () => {
  const { fold, ask } = folded();
  ask("run.create", { ...run, experiment: "0" });
  const metric = { key: "m", value: 1, timestamp: 1, step: 0 };
  const twice = [
    { key: "p", value: "1" },
    { key: "p", value: "2" },
  ];
  assert.equal(
    ask("run.log", { ...nothing, metrics: [metric], params: twice }),
    "TRACKING_INVALID",
  );
  const long = [{ key: "t", value: "x".repeat(8_001) }];
  assert.equal(ask("run.log", { ...nothing, metrics: [metric], tags: long }), "TRACKING_INVALID");
  const found = fold.state.runs.get("r");
  assert.deepEqual([found?.params.size, found?.metrics.size], [0, 0]);
});

test("the value of a metric is that of its last step, in whatever order they come", () => {
  const { fold, ask } = folded();
  ask("run.create", { ...run, experiment: "0" });
  const points = [
    [3, 5, 0.3],
    [9, 1, 0.9],
    [9, 2, 0.1],
    [9, 2, 0.8],
    [4, 9, 0.4],
  ] as const;
  for (const [step, timestamp, value] of points) {
    ask("run.log", { ...nothing, metrics: [{ key: "m", value, timestamp, step }] });
  }
  const found = fold.state.runs.get("r")?.metrics.get("m");
  assert.equal(found?.latest.value, 0.8);
  assert.equal(found?.points.length, points.length);
});

test("what gateways find takes nothing from what a client has registered, in any order", () => {
  const version = {
    ...{ name: "m", native: "r1", sha256: "00", source: "", run: "", runLink: "", model: "" },
    ...{ description: "found", tags: [], files: {}, why: "" },
  };
  const client = { ...version, run: "r", description: "by the client" };
  const ways = { create: client, adopt: version, again: { ...version, description: "second" } };
  for (const order of [
    ["create", "adopt", "again"],
    ["adopt", "create", "again"],
    ["adopt", "again", "create"],
  ] as const) {
    const { fold, ask } = folded();
    for (const way of order) {
      assert.equal(ask(way === "create" ? "version.create" : "version.adopt", ways[way]), null);
    }
    const found = [...(fold.state.registeredModels.get("m")?.versions.values() ?? [])];
    const told = found.map(({ number, run, description }) => [number, run, description]);
    assert.deepEqual(told, [[1, "r", "by the client"]], order.join());
    assert.equal(fold.state.modelHistory.get("m")?.length, 1);
    assert.equal(ask("version.delete", { name: "m", version: 1 }), null);
    assert.equal(ask("version.adopt", version), null);
    assert.equal(fold.state.registeredModels.get("m")?.versions.size, 0, "it stays deleted");
  }
  const { fold, ask } = folded();
  ask("version.adopt", version);
  ask("version.adopt", ways.again);
  assert.equal(fold.state.registeredModels.get("m")?.versions.get(1)?.description, "found");
});

test("an artifact stands below a run or a logged model, at a path that leads nowhere else", () => {
  const { fold, ask } = folded();
  ask("run.create", { ...run, experiment: "0" });
  const model = { experiment: "0", name: "m", type: "", run: "r", params: [], tags: [] };
  ask("logged-model.create", { ...model, model: "m-1" });
  const file = { sha256: "00", sizeBytes: 1 };
  const put = (path: string) => ask("artifact.put", { path, file });
  assert.equal(put("0/r/artifacts/a/b.txt"), null);
  assert.equal(put("0/models/m-1/artifacts/MLmodel"), null);
  const wrong = [
    ...["0/r/artifacts/../../x", "0/r/artifacts//x", "/0/r/artifacts/x", "0/r/artifacts/.", ""],
    ...[
      "0/r/artifacts",
      "1/r/artifacts/x",
      "0/r/other/x",
      "0/models/m-1/x",
      "x",
      "0/r/artifacts/a\\b",
    ],
    ...[
      "0/r/artifacts/a",
      "0/r/artifacts/a/b.txt/c",
      "0/r/artifacts/a\0",
      `0/r/artifacts/${"x/".repeat(70)}x`,
    ],
  ];
  for (const path of wrong) assert.equal(put(path), "TRACKING_INVALID", path);
  assert.equal(put("0/nobody/artifacts/x"), "TRACKING_UNKNOWN");
  assert.deepEqual(fold.state.files.list("0/r/artifacts"), [{ name: "a", file: null }]);
  assert.equal(ask("artifact.delete", { path: "0/r/artifacts/a" }), null);
  assert.equal(ask("artifact.delete", { path: "0/r/artifacts/a" }), "TRACKING_UNKNOWN");
  assert.equal(fold.state.files.size, 1);
});

test("a tree of files says what stands in a folder, and forgets folders without any", () => {
  const tree = new FileTree<{ n: number }>();
  for (const [n, path] of ["a/x", "a/b/y", "c"].entries()) tree.put(path, { n });
  tree.put("c", { n: 9 });
  assert.deepEqual(
    tree.list("").map(({ name, file }) => [name, file?.n ?? null]),
    [
      ["a", null],
      ["c", 9],
    ],
  );
  assert.deepEqual(tree.below("a"), { "b/y": { n: 1 }, x: { n: 0 } });
  for (const name of ["__proto__", "constructor"]) tree.put(`odd/${name}/${name}`, { n: 1 });
  tree.put("odd/__proto__/constructor", { n: 2 });
  assert.deepEqual(Object.entries(tree.below("odd/__proto__")), [
    ["__proto__", { n: 1 }],
    ["constructor", { n: 2 }],
  ]);
  assert.ok(tree.delete("odd"));
  assert.deepEqual(
    [tree.admits("a"), tree.admits("c/d"), tree.admits("a/new/z")],
    [false, false, true],
  );
  assert.ok(tree.delete("a/b/y"));
  assert.deepEqual(
    tree.list("a").map(({ name }) => name),
    ["x"],
  );
  assert.ok(tree.delete("a"));
  assert.deepEqual([tree.size, tree.delete("a"), tree.get("a/x")], [1, false, null]);
});
