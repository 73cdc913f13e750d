/** What reaches the gateway before it is a request: floods, what is no HTTP/2, odd keys. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import type { ServiceError } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { openTestGateway, usualLimits } from "../gateway-fixture.ts";
import { hashOf, newKey } from "../keys/api-key.ts";
import type { Gateway } from "../open-gateway.ts";
import { client, closeClients, inference, refusal } from "./grpc-client-fixture.ts";

const { id, key } = newKey();
const own = { ...{ id, name: "app", sha256: hashOf(key), scopes: ["predict"] as const } };
const limited = { ...own, rate: 0.01, burst: 3, created: "", revoked: null };
const keys = { byId: new Map([[id, limited]]), isLocked: true };
let gateway: Gateway;
let seen = 0;

before(async () => {
  const handle = () => {
    seen++;
    return { ready: true };
  };
  gateway = await openTestGateway([], {
    keys: () => keys,
    limits: { ...usualLimits, bodyBytes: 4_096 },
    grpc: {
      address: { host: "127.0.0.1", port: 0 },
      service: {
        definition: inference.service,
        doors: {
          ServerLive: { scope: null, handle: () => ({ live: true }) },
          ModelReady: { scope: "predict", handle },
        },
      },
    },
  });
});
after(async () => {
  closeClients();
  await gateway.close();
});

function sockets(port: number, many: number): Promise<Socket[]> {
  const opening = Array.from({ length: many }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    return new Promise<Socket>((resolve) => socket.once("connect", () => resolve(socket)));
  });
  return Promise.all(opening);
}

test("connections that say nothing, or no HTTP/2, hold up nobody and take little", async () => {
  const port = Number(gateway.grpcAddress?.split(":")[1]);
  const before = process.memoryUsage().rss;
  const silent = await sockets(port, 300);
  const strange = await sockets(port, 300);
  const closed = strange.map(
    (socket) =>
      new Promise<void>((resolve) => {
        socket.once("close", () => resolve());
        socket.resume();
        socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
      }),
  );
  assert.deepEqual((await client(gateway)("ServerLive", {})).message, { live: true });
  await Promise.all(closed);
  assert.ok(process.memoryUsage().rss - before < 96 * 1024 * 1024);
  for (const socket of silent) socket.destroy();
});

test("no key, a wrong one and one that is overused are told apart, and reach no door", async () => {
  const asked = client(gateway);
  const odd = ["", "Bearer", `Bearer ${"x".repeat(4_000)}`, "Basic eDp5", `Bearer ${key}x`];
  for (const authorization of odd) {
    const [found, code, text] = await refusal(
      asked("ModelReady", {}, { metadata: { authorization } }),
    );
    assert.equal(found, "UNAUTHENTICATED", text);
    assert.ok(["KEY_MISSING", "KEY_REFUSED"].includes(String(code)) && text.length > 20, text);
  }
  assert.equal(seen, 0);
  const metadata = { authorization: `Bearer ${key}` };
  const tally = new Map<string, number>();
  const calls = Array.from({ length: 200 }, () =>
    asked("ModelReady", {}, { metadata }).then(
      () => "OK",
      (error: ServiceError) => status[error.code] ?? "",
    ),
  );
  for (const each of await Promise.all(calls)) tally.set(each, (tally.get(each) ?? 0) + 1);
  assert.deepEqual(Object.fromEntries(tally), { OK: 3, RESOURCE_EXHAUSTED: 197 });
  assert.equal(seen, 3);
});

test("what there is not, and headers that are too large, are refused", async () => {
  const asked = client(gateway);
  assert.equal((await refusal(asked("ModelInfer", {})))[0], "UNIMPLEMENTED");
  const large = { "x-large": "x".repeat(200_000) };
  const [found] = await refusal(asked("ServerLive", {}, { metadata: large }));
  assert.ok(["RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE"].includes(found), found);
  assert.deepEqual((await client(gateway)("ServerLive", {})).message, { live: true });
});
