import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { memoryStack } from "../../runtime/hosting/memory-stack-fixture.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";
import { flights } from "../../topologies/flights/flights.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-near-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("every look that is asked for a name which is none says which one is near", async () => {
  const stack = await memoryStack(folder);
  await stack.broker.createTopics(flights.topics);
  const looks = inspectStack([flights], stack, []);
  const view = { key: ["ORD"], at: null, topology: null };
  const rejected = [
    [
      () => looks.topics({ names: ["flights.departure"], countRecords: false }),
      "flights.departures",
    ],
    [() => looks.features({ ...view, view: "origin_delay" }), "origin_delays"],
    [() => looks.features({ ...view, view: "origin_delays", topology: "flight" }), "flights"],
    [() => looks.columns({ view: "route_delay" }), "route_delays"],
    [() => looks.models({ names: ["late_arival"] }), "late_arrival"],
    [() => looks.sql({ query: "SELECT 1", format: "TSV", topology: "flihgts" }), "flights"],
  ] as const;
  for (const [asked, near] of rejected) {
    await assert.rejects(async () => asked(), { message: new RegExp(`did you mean ${near}`) });
  }
  await stack.close();
});
