import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { ofFlights } from "../../testing/flights-app-fixture.ts";

const main = fileURLToPath(new URL("../main.js", import.meta.url));

test("with --wait a start waits for servers that are down; it lives and is not ready", {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-wait-"));
  const [kafka, registry, redis, clickhouse, metrics] = await freePorts(5);
  const args = ["run", "--stack", "compose", "--wait", "--data", folder];
  args.push("--kafka-port", `${kafka}`, "--registry-port", `${registry}`);
  args.push("--redis-port", `${redis}`, "--clickhouse-port", `${clickhouse}`);
  args.push("--metrics", `${metrics}`);
  const run = spawn(process.execPath, [main, ...ofFlights(args)]);
  try {
    let out = "";
    for await (const chunk of run.stdout) {
      out += String(chunk);
      if (out.includes("Waiting for its servers")) break;
    }
    assert.match(out, /STACK_UNREACHABLE|cannot be used; 4 to correct/);
    const ask = (path: string) => fetch(`http://127.0.0.1:${metrics}${path}`);
    assert.equal((await ask("/live")).status, 200);
    const ready = await ask("/ready");
    assert.deepEqual([ready.status, await ready.json()], [503, { waitingFor: ["its servers"] }]);
    assert.equal((await ask("/metrics")).status, 200);
    assert.equal(run.exitCode, null, "it goes on waiting");
  } finally {
    run.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
