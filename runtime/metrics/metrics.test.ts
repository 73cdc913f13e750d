import assert from "node:assert/strict";
import { get } from "node:http";
import { test } from "node:test";
import { Metrics } from "./metrics.ts";
import { serveMetrics } from "./server.ts";

test("metrics are served on loopback in Prometheus' format", async () => {
  const metrics = new Metrics();
  metrics.committed({ records: 3, bytes: 100, durationMs: 2 });
  metrics.gauge("millrace_progress", "Event time.", ["subtopology"], (set) => {
    set({ subtopology: "views" }, 7);
    set({ subtopology: "unset" }, Number.NEGATIVE_INFINITY);
  });
  const server = await serveMetrics(metrics, 0);
  try {
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    assert.match(text, /^millrace_commits_total 1$/m);
    assert.match(text, /^millrace_committed_records_total 3$/m);
    assert.match(text, /^millrace_progress\{subtopology="views"\} 7$/m);
    assert.doesNotMatch(text, /unset/);
    assert.equal((await fetch(`http://127.0.0.1:${server.port}/other`)).status, 404);
  } finally {
    await server.close();
  }
});

test("a process that waits for a server lives and is not ready", async () => {
  let waitingFor: string[] = [];
  const server = await serveMetrics(new Metrics(), 0, () => waitingFor);
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return [answer.status, await answer.json()];
  };
  try {
    assert.deepEqual(await ask("/ready"), [200, { waitingFor: [] }]);
    waitingFor = ["Kafka"];
    assert.deepEqual(await ask("/ready"), [503, { waitingFor: ["Kafka"] }]);
    assert.deepEqual(await ask("/live"), [200, { waitingFor: [] }]);
  } finally {
    await server.close();
  }
});

test("a gauge shows what there is now, not what there was at an earlier scrape", async () => {
  const metrics = new Metrics();
  let partitions = ["0", "1"];
  metrics.gauge("millrace_progress", "Event time.", ["partition"], (set) => {
    for (const partition of partitions) set({ partition }, 7);
  });
  assert.match(await metrics.registry.metrics(), /partition="0"(.|\n)*partition="1"/);
  partitions = ["1"];
  const text = await metrics.registry.metrics();
  assert.match(text, /^millrace_progress\{partition="1"\} 7$/m);
  assert.doesNotMatch(text, /partition="0"/);
});

test("a server ends although a scraper still waits for its answer", async () => {
  let isAsked = () => {};
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  const { contentType } = new Metrics().registry;
  const metrics = () => {
    isAsked();
    return new Promise<string>(() => {});
  };
  const server = await serveMetrics(
    { registry: { contentType, metrics, getMetricsAsJSON: async () => [] } },
    0,
  );
  const scrape = fetch(`http://127.0.0.1:${server.port}/metrics`);
  scrape.catch(() => {});
  await asked;
  await server.close();
  await assert.rejects(scrape);
});

test("a busy port is named", async () => {
  const metrics = new Metrics();
  const server = await serveMetrics(metrics, 0);
  try {
    await assert.rejects(serveMetrics(metrics, server.port), { code: "PORT_IN_USE" });
  } finally {
    await server.close();
  }
});

test("another host, and a page of a browser, are refused", async () => {
  const server = await serveMetrics(new Metrics(), 0);
  const ask = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      get({ host: "127.0.0.1", port: server.port, path: "/ready", headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).once("error", reject);
    });
  try {
    assert.equal(await ask({}), 200);
    assert.equal(await ask({ host: `localhost:${server.port}` }), 200);
    assert.equal(await ask({ host: "rebound.example" }), 403);
    assert.equal(await ask({ host: "127.0.0.1.rebound.example" }), 403);
    assert.equal(await ask({ origin: "https://a.example" }), 403);
  } finally {
    await server.close();
  }
});
