import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { RecordBatch } from "../broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { at, open, values } from "./log-fixture.ts";

const root = mkdtempSync(join(tmpdir(), "millrace-compaction-"));
after(() => rmSync(root, { recursive: true }));

function keyed(key: string, value: string): RecordBatch {
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.from(key), Buffer.from(value), 0);
  return builder.build();
}

test("compaction keeps what a producer commits behind an abort, however long the segment", async () => {
  for (const directory of [null, mkdtempSync(join(root, "data-"))]) {
    const broker = await open({ directory }, { "cleanup.policy": "compact" });
    const producer = await broker.producer({ transactionalId: "w" });
    producer.begin();
    await producer.send([{ ...at, batch: keyed("never", "never") }]);
    await producer.abort();
    const expected: string[] = [];
    for (let n = 0; n < 40; n++) {
      const value = `${n}`.padEnd(20_000, ".");
      expected.push(value);
      producer.begin();
      await producer.send([{ ...at, batch: keyed(`${n}`, value) }]);
      await producer.commit();
    }
    broker.compact();
    assert.deepEqual(await values(broker), expected);
    await broker.close();
  }
});
