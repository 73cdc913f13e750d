import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { freePorts } from "./free-ports.ts";

test("no port is given twice, nor one that somebody has", async (t) => {
  const [before = 0, ...more] = await freePorts(3);
  const holder = createServer();
  t.after(() => holder.close());
  // The one after those that were given is the next to be tried.
  const taken = (more.at(-1) ?? 0) + 1;
  await new Promise<void>((resolve) => holder.listen(taken, "127.0.0.1", resolve));
  const after = await freePorts(3);
  const all = [before, ...more, ...after];
  assert.equal(new Set(all).size, 6);
  assert.ok(!all.includes(taken), `${taken} is taken`);
});

const system = "/proc/sys/net/ipv4/ip_local_port_range";

test("no port is one that an outgoing connection may take", async () => {
  const text = existsSync(system) ? readFileSync(system, "utf8") : "49152 65535";
  const [lowest = 0] = text.trim().split(/\s+/).map(Number);
  for (const port of await freePorts(100)) assert.ok(port < lowest, `${port}`);
});
