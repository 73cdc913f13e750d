import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { freePorts } from "./free-ports.ts";

const execute = promisify(execFile);

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

test("ports of one process are not those of another that begins at the same place", async () => {
  const own = await freePorts(3);
  const entry = JSON.stringify(new URL("./free-ports.js", import.meta.url).href);
  // A number that leads where ours does: as one of 352 processes has it.
  const other = `Object.defineProperty(process, "pid", { value: ${process.pid} });
    const { freePorts } = await import(${entry});
    console.log(JSON.stringify(await freePorts(400)));`;
  const { stdout } = await execute(process.execPath, ["--input-type=module", "-e", other]);
  const theirs = JSON.parse(stdout) as number[];
  assert.equal(new Set(theirs).size, 400);
  assert.deepEqual(
    own.filter((port) => theirs.includes(port)),
    [],
  );
});
