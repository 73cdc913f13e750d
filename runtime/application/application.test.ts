import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "../../sinks/memory.ts";
import { flights } from "../../topologies/flights/flights.ts";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { openArtifactStore } from "../training/artifacts.ts";
import { Application } from "./application.ts";
import type { Stack } from "./stack.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-application-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A stack in memory; the nth join of a group fails, and all that succeeded are counted. */
async function stackWithout(nth: number) {
  const embedded = await openEmbeddedBroker({ directory: null });
  const count = { joins: 0, members: 0 };
  const broker = new Proxy<Broker>(embedded, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "join") return value.bind(target);
      return async (...given: Parameters<Broker["join"]>) => {
        if (++count.joins === nth) throw new Error("no room in the group");
        const member = await target.join(...given);
        count.members++;
        const leave = member.leave.bind(member);
        return Object.assign(member, {
          leave: () => {
            count.members--;
            return leave();
          },
        });
      };
    },
  });
  const offline = createMemoryOfflineStore();
  const stack: Stack = {
    kind: "embedded",
    broker,
    registry: createMemoryRegistry(),
    online: createMemoryOnlineStore(),
    offline,
    artifacts: await openArtifactStore(join(folder, "models")),
    files: offline,
    pids: () => [],
    offlineAddress: null,
    close: () => embedded.close(),
  };
  return { stack, count };
}

test("an application that cannot start leaves every group that it joined", async () => {
  for (const nth of [1, 2, 5]) {
    const { stack, count } = await stackWithout(nth);
    const options = { plan: flights, stack, mode: { kind: "replay" }, scoringThreads: 0 } as const;
    await assert.rejects(Application.start(options), /no room in the group/);
    assert.ok(count.joins >= nth);
    assert.equal(count.members, 0, `${count.members} of ${count.joins} stay`);
    await stack.close();
  }
});
