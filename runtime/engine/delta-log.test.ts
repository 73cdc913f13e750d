import assert from "node:assert/strict";
import { test } from "node:test";
import type { Processor } from "../../processors/processor.ts";
import { DeltaLog, MutedOutbox, replayDelta } from "./delta-log.ts";

/** A processor that notes what it is given, with timers at 1, 2, 3 … */
function recorder(): { readonly processor: Processor; readonly seen: string[] } {
  const seen: string[] = [];
  let timer = 1;
  const processor = {
    process: (input, writer, knownAt, payload) => {
      seen.push(`${input}/${writer}@${knownAt} ${payload.end - payload.position}`);
    },
    nextTimer: () => timer,
    onTimer: (instant) => {
      seen.push(`timer ${instant}`);
      timer++;
    },
    settle: (result) => void seen.push(`settled ${result.end - result.position}`),
  } satisfies Partial<Processor>;
  return { processor: processor as unknown as Processor, seen };
}

test("parts repeat what was logged in its order, and only a single larger entry exceeds 256 KiB", () => {
  const log = new DeltaLog();
  const sizes = [200_000, 200_000, 10, 300_000, 0, 250_000, 250_000];
  for (const [index, size] of sizes.entries()) {
    log.record(index, 300, index * 10, Buffer.alloc(size), 0, size);
    log.timer();
    if (index % 3 === 0) log.settled(Buffer.alloc(size));
  }
  assert.ok(log.bytes > sizes.reduce((total, size) => total + size, 0));
  const parts = log.take();
  const { processor, seen } = recorder();
  for (const part of parts) {
    const before = seen.length;
    replayDelta(part, processor, new MutedOutbox());
    const single = seen.slice(before).filter((each) => !each.startsWith("timer")).length <= 1;
    assert.ok(part.length <= 256 * 1024 || single, `a part of ${part.length} bytes`);
  }
  assert.deepEqual(
    seen,
    sizes.flatMap((size, index) => [
      `${index}/300@${index * 10} ${size}`,
      `timer ${index + 1}`,
      ...(index % 3 === 0 ? [`settled ${size}`] : []),
    ]),
  );
  assert.equal(log.bytes, 0);
  assert.equal(Buffer.concat(log.take()).length, 0, "the log starts again");
});
