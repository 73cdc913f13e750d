import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ApicurioStack, startApicurio } from "../../stacks/local/apicurio.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { departure } from "../../topologies/flights/generated.ts";
import { openConfluentRegistry } from "./confluent.ts";
import { registryConformance } from "./conformance.ts";

const skip = requirement("java-21", "maven");
let directory = "";
let apicurio: ApicurioStack;

before(async () => {
  if (skip === false) {
    directory = await mkdtemp(join(tmpdir(), "millrace-apicurio-"));
    apicurio = await startApicurio({ directory });
  }
});

after(async () => {
  if (skip === false) {
    await apicurio.kill();
    await rm(directory, { recursive: true, force: true });
  }
});

registryConformance(
  "apicurio",
  async () => openConfluentRegistry({ url: apicurio.url, auth: { username: "u", password: "p" } }),
  skip,
);

test("an acknowledged registration survives kill -9 of the registry", { skip }, async () => {
  const registry = openConfluentRegistry({ url: apicurio.url });
  const id = await registry.register("survivor-value", departure);
  await apicurio.kill();
  await apicurio.start();
  const found = await registry.latest("survivor-value");
  assert.equal(found?.id, id);
  assert.deepEqual(found?.schema, JSON.parse(JSON.stringify(departure)));
  await registry.close();
});

test("several who register a new subject at once get one id", { skip }, async () => {
  const all = [1, 2, 3, 4].map(() => openConfluentRegistry({ url: apicurio.url }));
  for (let round = 0; round < 10; round++) {
    const ids = await Promise.all(all.map((each) => each.register(`race-${round}`, departure)));
    assert.equal(new Set(ids).size, 1);
  }
  for (const each of all) await each.close();
});

test("a path where no registry answers is told, and not taken for a missing subject", {
  skip,
}, async () => {
  for (const path of ["", "/apis/ccompat/v0"]) {
    const registry = openConfluentRegistry({ url: `http://127.0.0.1:${apicurio.port}${path}` });
    const told = { code: "REGISTRY_REFUSED", message: /check registryUrl/ };
    await assert.rejects(registry.latest("a-value"), told);
    await registry.close();
  }
});

test("a registry that takes a request and never answers is told in time", async () => {
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => sockets.add(socket));
  await new Promise<void>((done) => mute.listen(0, "127.0.0.1", done));
  const { port } = mute.address() as AddressInfo;
  const registry = openConfluentRegistry({ url: `http://127.0.0.1:${port}`, timeoutMs: 200 });
  const late = { code: "REGISTRY_UNAVAILABLE", message: /no answer within 200 ms/ };
  await assert.rejects(registry.latest("a-value"), late);
  await assert.rejects(registry.register("a-value", departure), late);
  await registry.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((done) => mute.close(done));
});

test("a registry that is away is named, and the step may be tried again", async () => {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const registry = openConfluentRegistry({ url, retries: 0 });
  const refused = { code: "REGISTRY_UNAVAILABLE", policy: "retry" };
  await assert.rejects(registry.latest("a-value"), refused);
  await assert.rejects(registry.register("a-value", departure), refused);
  await registry.close();
});
