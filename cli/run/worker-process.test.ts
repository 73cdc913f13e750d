import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { WorkerCommand, WorkerMessage } from "./worker-messages.ts";

const extension = extname(fileURLToPath(import.meta.url));
const program = new URL(`./worker-process${extension}`, import.meta.url);

test("a worker outlives a Ctrl-C, which reaches it with its parent, and ends with its parent", async () => {
  const child = fork(program, [], { serialization: "advanced" });
  const ask: WorkerCommand = { kind: "metrics", request: 7 };
  const answer = async () => {
    child.send(ask);
    const [message] = (await once(child, "message")) as [WorkerMessage];
    assert.deepEqual(message, { kind: "metrics", request: 7, metrics: [] });
  };
  await answer();
  child.kill("SIGINT");
  await answer();
  const ended = once(child, "exit");
  child.disconnect();
  assert.deepEqual(await ended, [1, null]);
});
