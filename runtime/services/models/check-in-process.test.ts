import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { checkInProcess } from "./check-in-process.ts";

/** The environment of the process that checks a model; null: it has not begun. Linux alone. */
function checkerEnvironment(): string | null {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("check-process")) continue;
      const [, , , parent] = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/\(.*\)/, "-")
        .split(" ");
      if (parent === String(process.pid)) return readFileSync(`/proc/${pid}/environ`, "utf8");
    } catch {
      // It has ended meanwhile.
    }
  }
  return null;
}

test("the process that loads a stranger's model gets none of our settings, and no telemetry", {
  skip: process.platform === "linux" ? false : "it looks into /proc",
}, async () => {
  process.env["MILLRACE_REDIS_PASSWORD"] = "secret-of-redis";
  const request = {
    file: "/nowhere/model.onnx",
    declaration: { features: ["a"] },
    rows: new Float64Array(1),
    scores: null,
    tolerance: 1e-5,
    limitMs: 1_000,
  };
  const checked = checkInProcess(request).then(
    () => "passed",
    (error: { code?: string }) => error.code,
  );
  let found: string | null = null;
  let isOver = false;
  void checked.then(() => {
    isOver = true;
  });
  while (found === null && !isOver) {
    found = checkerEnvironment();
    await turn();
  }
  assert.equal(await checked, "MODEL_REFUSED");
  delete process.env["MILLRACE_REDIS_PASSWORD"];
  const environment = String(found);
  assert.match(environment, /ORT_DISABLE_TELEMETRY=1/);
  assert.doesNotMatch(environment, /secret-of-redis|MILLRACE_/);
});
