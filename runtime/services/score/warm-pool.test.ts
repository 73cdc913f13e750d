import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

/** Says whether a pool's process has loaded ONNX Runtime, though no model was asked. */
const script = `
import { setTimeout as wait } from "node:timers/promises";
const { createScoringPool } = await import(process.argv[1]);
const isLoaded = () =>
  process.report.getReport().sharedObjects.some((path) => path.includes("onnxruntime"));
const warms = process.argv[2] === "true";
const pool = createScoringPool({ artifacts: { directory: "." }, threads: 2, warms });
if (process.argv[3] === "waits") while (!isLoaded()) await wait(20);
await pool.close();
console.log(isLoaded());
`;

function run(warms: boolean, waits: boolean): Promise<{ code: unknown; out: string }> {
  const pool = new URL("./scoring-pool.js", import.meta.url).href;
  const args = ["--input-type=module", "-e", script, "--", pool, String(warms)];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...args, waits ? "waits" : ""],
      { timeout: 60_000 },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : (error.code ?? error.signal), out: out + err });
      },
    );
  });
}

test("threads load ONNX Runtime as they start where they are to, and are not ended meanwhile", async () => {
  assert.deepEqual(await run(true, true), { code: 0, out: "true\n" });
  // Closed at once.
  assert.equal((await run(true, false)).code, 0);
  assert.deepEqual(await run(false, false), { code: 0, out: "false\n" });
});
