import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { countedStores } from "../../gateway/gateway-fixture.ts";
import { resolveConfig } from "../../runtime/config.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { plan, predictWorld } from "../../runtime/predict/predict-fixture.ts";
import { openDoor } from "./open-door.ts";

test("a gateway rehearses before it is ready, and its metrics tell nothing of it", async (t) => {
  const world = await predictWorld();
  t.after(() => world.close());
  await world.promote("good");
  const stores = countedStores();
  const stack = { ...world, ...stores, artifacts: world.artifacts("door") } as unknown as Stack;
  const { config } = resolveConfig({ file: "none", env: {}, flags: { live: true } });
  const address = { host: "127.0.0.1", port: 0 };
  const gateway = await openDoor(address, {
    ...{ config: { ...config, keysFile: "/none" }, plans: [plan], stack },
    ...{ waitingFor: () => [], ofProcess: false, log: pino({ level: "silent" }) },
  });
  t.after(() => gateway.close());
  const waited = new Set<string>();
  for (;;) {
    const answer = await fetch(`${gateway.url}/health/ready`);
    const { waitingFor } = (await answer.json()) as { waitingFor: string[] };
    for (const each of waitingFor) waited.add(each);
    if (answer.status === 200) break;
  }
  assert.ok(waited.has("its rehearsal"), [...waited].join());
  assert.ok(stores.online.reads > 100, `${stores.online.reads} reads`);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const told = [...metrics.matchAll(/^millrace_gateway_(?:\w+_total|batch_rows_count).* (\S+)$/gm)];
  assert.deepEqual(
    told.map(([line]) => line).filter((line) => !/ 0$|door="\/health\/ready"/.test(line)),
    [],
  );
});
