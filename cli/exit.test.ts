import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";

const exit = new URL("./exit.js", import.meta.url).href;

interface Ended {
  readonly code: number | null;
  readonly err: string;
}

/** A program that never ends by itself; it gets one Ctrl-C for each of `at` that it prints. */
function interrupted(begins: boolean, at: readonly string[], more = ""): Promise<Ended> {
  const program = `
    const { listenForInterrupt } = await import(${JSON.stringify(exit)});
    const interrupt = listenForInterrupt();
    ${begins ? "interrupt.begin();" : ""}
    ${more}
    setInterval(() => {}, 1_000);
    console.error("ready");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const left = [...at];
  let err = "";
  child.stderr.on("data", (chunk) => {
    err += chunk;
    if (left[0] === undefined || !err.includes(left[0])) return;
    left.shift();
    child.kill("SIGINT");
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, err })));
}

test("before the work begins, one Ctrl-C ends the process with 130", async () => {
  const { code, err } = await interrupted(false, ["ready"]);
  assert.deepEqual([code, /before the work began; run again to continue/.test(err)], [130, true]);
});

test("once it has begun, the first Ctrl-C asks it to stop and the second ends it", async () => {
  const { code, err } = await interrupted(true, ["ready", "second Ctrl-C"]);
  assert.deepEqual([code, /Stopping; a second Ctrl-C ends at once/.test(err)], [130, true]);
});

test("a stop that a server holds up which is away ends after some seconds, and names it", async () => {
  const away = 'interrupt.insist(() => ["Kafka"]);';
  const { code, err } = await interrupted(true, ["ready"], away);
  assert.equal(code, 130);
  assert.match(err, /Gave up waiting for Kafka: what is not committed is done again/);
});

test("a server that goes away while a run stops holds it up no longer than one before", async () => {
  const later = `
    let away = [];
    interrupt.insist(() => away);
    interrupt.signal.addEventListener("abort", () => setTimeout(() => {
      away = ["the online store"];
    }, 5_500));`;
  const { code, err } = await interrupted(true, ["ready"], later);
  assert.equal(code, 130);
  assert.match(err, /Gave up waiting for the online store/);
});
