import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { CommitPipeline } from "./commit-pipeline.ts";
import type { Membership } from "./membership.ts";
import type { SourceTask } from "./source-task.ts";

const hourMs = 3_600_000;

/** A pipeline whose task always has something to say. */
async function pipelineOf(prompt: boolean) {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(plan.topics);
  const producer = await broker.producer({ transactionalId: "test" });
  const membership = { producer, identity: null, committed: () => {} } as unknown as Membership;
  const place = { topic: plan.subtopologies[0]?.inbox ?? "", partition: 0 };
  const task = {
    ...{ dirty: true, progress: 0, need: 0, partition: 0, subtopology: plan.subtopologies[0] },
    ...{ collect: () => ({ ...place, offset: 0 }), committed: () => {} },
    purgeableChangelog: () => null,
  } as unknown as SourceTask;
  let commits = 0;
  const commitsOf = new CommitPipeline(
    {
      ...{ plan, broker, intervalMs: hourMs, prompt, within: null, tell: () => {} },
      onCommit: () => {
        commits++;
      },
    },
    membership,
  );
  assert.ok(commitsOf.beginIfDue([task], true), "an idle process commits at once");
  await commitsOf.ended();
  assert.equal(commits, 1);
  const begins = () => commitsOf.beginIfDue([task], false);
  const close = async () => {
    await commitsOf.ended();
    await broker.close();
  };
  return { begins, close };
}

test("prompt commits wait as long as the last one took, however long the interval", {
  timeout: 60_000,
}, async () => {
  const { begins, close } = await pipelineOf(true);
  while (!begins()) await nextTurn();
  await close();
});

test("other commits wait for the interval while there is more to do", async () => {
  const { begins, close } = await pipelineOf(false);
  for (let turn = 0; turn < 1_000; turn++) {
    assert.ok(!begins());
    await nextTurn();
  }
  await close();
});
