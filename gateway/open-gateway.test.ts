import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { type Door, door } from "./door.ts";
import { ask, openTestGateway, posting, usualLimits } from "./gateway-fixture.ts";
import { type ApiKey, hashOf, newKey, type Scope } from "./keys/api-key.ts";
import type { KnownKeys } from "./keys/key-file.ts";

/** A door whose answers the test lets out. */
function slowDoor(): { door: Door; entered: () => number; release: () => void } {
  let entered = 0;
  const waiting: (() => void)[] = [];
  return {
    entered: () => entered,
    release: () => {
      for (const each of waiting.splice(0)) each();
    },
    door: door({
      ...{ method: "GET", path: "/slow", scope: "read", title: "", about: "", takes: "none" },
      ...{ answers: "text/plain", errors: [] },
      handle: async () => {
        entered++;
        await new Promise<void>((resolve) => waiting.push(resolve));
        return { body: { done: true } };
      },
    }),
  };
}

const echo = door({
  ...{ method: "POST", path: "/echo/:name", scope: "ingest", title: "", about: "" },
  ...{ takes: "value", answers: "text/plain", errors: [] },
  body: z.strictObject({ text: z.string() }),
  handle: ({ body, path, requestId }) => ({ body: { ...path, ...body, requestId } }),
});

const broken = door({
  ...{ method: "GET", path: "/broken", scope: "read", title: "", about: "", takes: "none" },
  ...{ answers: "text/plain", errors: [] },
  handle: () => {
    throw new Error("password 12345");
  },
});

function keyWith(scopes: readonly Scope[], more: Partial<ApiKey> = {}) {
  const { id, key } = newKey();
  const own: ApiKey = {
    ...{ id, name: "test", sha256: hashOf(key), scopes, rate: null, burst: 1 },
    ...{ created: "2026-01-01T00:00:00Z", revoked: null },
    ...more,
  };
  return { key, own };
}

function known(...keys: readonly ApiKey[]): () => KnownKeys {
  const all = { byId: new Map(keys.map((each) => [each.id, each])), isLocked: true };
  return () => all;
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await isSo()) return;
    await wait(5);
  }
  assert.fail(`waited too long for ${what}`);
}

test("a request keeps its id where that is sane, and gets one where it is not", async () => {
  const gateway = await openTestGateway([echo]);
  try {
    const ask1 = await ask(
      `${gateway.url}/echo/a`,
      posting({ text: "x" }, { "x-request-id": "r-1" }),
    );
    assert.deepEqual([ask1.body["requestId"], ask1.headers.get("x-request-id")], ["r-1", "r-1"]);
    const odd = { "x-request-id": "a b<script>" };
    const ask2 = await ask(`${gateway.url}/echo/a`, posting({ text: "x" }, odd));
    assert.match(String(ask2.body["requestId"]), /^[0-9a-f-]{36}$/);
    assert.equal(ask2.headers.get("x-request-id"), ask2.body["requestId"]);
  } finally {
    await gateway.close();
  }
});

test("a request by a whole URL is one of its path, and comes from where its host says", async () => {
  const gateway = await openTestGateway([echo]);
  const { port } = new URL(gateway.url);
  const told = async (path: string) => {
    const headers = { "content-type": "application/json" };
    const asking = request({ host: "127.0.0.1", port, method: "POST", path, headers });
    asking.end('{"text":"x"}');
    const [answer] = (await once(asking, "response")) as [IncomingMessage];
    const body = JSON.parse(await text(answer)) as Record<string, unknown>;
    return [answer.statusCode, body["name"] ?? body["code"]];
  };
  try {
    assert.deepEqual(await told(`${gateway.url}/echo/a%2Fb`), [200, "a/b"]);
    assert.deepEqual(await told("http://evil.example/echo/a"), [403, "HOST_REFUSED"]);
  } finally {
    await gateway.close();
  }
});

test("what is wrong is told with code, place and what to do", async () => {
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  const gateway = await openTestGateway([echo, broken], { onFailure });
  const told = async (path: string, init?: RequestInit) => {
    const { status, body } = await ask(gateway.url + path, init);
    assert.deepEqual(Object.keys(body), ["code", "message", "where", "todo"]);
    return [status, body["code"], body["where"]];
  };
  try {
    assert.deepEqual(await told("/nowhere"), [404, "ROUTE_UNKNOWN", "path"]);
    assert.deepEqual(await told("/echo/%ff", posting("{}")), [400, "REQUEST_INVALID", "path"]);
    assert.deepEqual(await told("/echo/a", posting("{")), [400, "REQUEST_INVALID", "body"]);
    assert.deepEqual(await told("/echo/a", posting("")), [400, "REQUEST_INVALID", "body"]);
    const wrong = posting({ text: 3 });
    assert.deepEqual(await told("/echo/a", wrong), [400, "REQUEST_INVALID", "body.text"]);
    const form = { method: "POST", body: "text=a", headers: { "content-type": "text/plain" } };
    assert.deepEqual(await told("/echo/a", form), [415, "REQUEST_UNSUPPORTED", null]);
    const large = posting({ text: "x".repeat(usualLimits.bodyBytes) });
    assert.deepEqual(await told("/echo/a", large), [413, "REQUEST_TOO_LARGE", null]);
    assert.deepEqual(await told("/broken"), [500, "REQUEST_FAILED", null]);
    assert.equal(failures.length, 1, "the log is told of the defect, the client is not");
  } finally {
    await gateway.close();
  }
});

test("a path is known by its methods: others are told which, and no method makes one of none", async () => {
  const gateway = await openTestGateway([echo, broken]);
  const told = async (method: string, path: string) => {
    const { status, headers, body } = await ask(gateway.url + path, { method });
    return [status, body["code"], headers.get("allow")];
  };
  const unknown = [404, "ROUTE_UNKNOWN", null];
  try {
    assert.deepEqual(await told("GET", "/echo/a?b=c"), [405, "METHOD_NOT_ALLOWED", "POST"]);
    assert.deepEqual(await told("GET", "/%65cho/%2Fa"), [405, "METHOD_NOT_ALLOWED", "POST"]);
    for (const path of ["/broken", "/health", "/health/live"]) {
      const refused = [405, "METHOD_NOT_ALLOWED", "GET, HEAD"];
      assert.deepEqual(await told("DELETE", path), refused);
    }
    for (const path of ["/echo", "/echo/a/b", "/Echo/a", "//echo/a"]) {
      assert.deepEqual(await told("POST", path), unknown, path);
      assert.deepEqual(await told("GET", path), unknown, path);
    }
    for (const length of [101, 10_000]) {
      const long = `/echo/${"a".repeat(length)}`;
      assert.deepEqual(await told("POST", long), [415, "REQUEST_UNSUPPORTED", null]);
      assert.deepEqual(await told("GET", long), [405, "METHOD_NOT_ALLOWED", "POST"]);
    }
    // An empty part is one for the router, too.
    assert.equal((await told("POST", "/echo/"))[0], 415);
    assert.deepEqual(await told("GET", "/echo/"), [405, "METHOD_NOT_ALLOWED", "POST"]);
  } finally {
    await gateway.close();
  }
});

test("beyond loopback it listens with a key alone", async () => {
  const address = { host: "0.0.0.0", port: 0 };
  await assert.rejects(openTestGateway([echo], { address }), { code: "GATEWAY_OPEN" });
  const { own } = keyWith(["read"]);
  const gateway = await openTestGateway([echo], { address, keys: known(own) });
  await gateway.close();
});

test("a key lets in with its scopes alone, and no longer when it is revoked", async () => {
  const reader = keyWith(["read"]);
  const admin = keyWith(["admin"]);
  const gone = keyWith(["admin"], { revoked: "2026-02-01T00:00:00Z" });
  const keys = known(reader.own, admin.own, gone.own);
  const gateway = await openTestGateway([echo], { keys });
  const post = async (headers: Record<string, string>) => {
    const { status, body } = await ask(`${gateway.url}/echo/a`, posting({ text: "x" }, headers));
    return [status, body["code"]];
  };
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  try {
    assert.deepEqual(await post({}), [401, "KEY_MISSING"]);
    assert.deepEqual(await post(bearer("nonsense")), [401, "KEY_REFUSED"]);
    const forged = `${reader.key.slice(0, -1)}${reader.key.endsWith("A") ? "B" : "A"}`;
    assert.deepEqual(await post(bearer(forged)), [401, "KEY_REFUSED"]);
    assert.deepEqual(await post(bearer(gone.key)), [401, "KEY_REFUSED"]);
    assert.deepEqual(await post(bearer(reader.key)), [403, "KEY_SCOPE"]);
    assert.deepEqual(await post(bearer(admin.key)), [200, undefined]);
    assert.deepEqual(await post({ "x-api-key": admin.key }), [200, undefined]);
    assert.equal((await ask(`${gateway.url}/health/ready`)).status, 200, "health needs none");
  } finally {
    await gateway.close();
  }
});

test("an over-used key waits for as long as it is told", async () => {
  const { key, own } = keyWith(["read"], { rate: 0.5, burst: 2 });
  const gateway = await openTestGateway([echo, broken], { keys: known(own) });
  const headers = { authorization: `Bearer ${key}` };
  try {
    const all = [];
    for (let i = 0; i < 3; i++) all.push(await ask(`${gateway.url}/broken`, { headers }));
    assert.deepEqual(
      all.map(({ body }) => body["code"]),
      ["REQUEST_FAILED", "REQUEST_FAILED", "KEY_OVERUSED"],
    );
    const seconds = Number(all[2]?.headers.get("retry-after"));
    assert.ok(all[2]?.status === 429 && seconds >= 1 && seconds <= 2, String(seconds));
  } finally {
    await gateway.close();
  }
});

test("without keys a page in a browser is refused", async () => {
  const gateway = await openTestGateway([echo]);
  const port = new URL(gateway.url).port;
  // fetch sets the host itself.
  const raw = (lines: readonly string[]) =>
    new Promise<string>((resolve) => {
      const socket = connect(Number(port), "127.0.0.1");
      let heard = "";
      socket.on("data", (chunk) => {
        heard += chunk;
      });
      socket.on("close", () => resolve(heard));
      socket.write(
        `${["POST /echo/a HTTP/1.1", "connection: close", ...lines].join("\r\n")}\r\n\r\n`,
      );
    });
  try {
    assert.match(await raw(["host: evil.example", "content-length: 0"]), /403.*HOST_REFUSED/s);
    const local = `host: 127.0.0.1:${port}`;
    const page = "origin: https://evil.example";
    assert.match(await raw([local, page, "content-length: 0"]), /403.*HOST_REFUSED/s);
    assert.match(await raw([local, "content-length: 0"]), /415.*REQUEST_UNSUPPORTED/s);
    assert.match(await raw([local, `x: ${"y".repeat(20_000)}`]), /431.*REQUEST_INVALID/s);
  } finally {
    await gateway.close();
  }
});

test("above its limit of requests under way it answers 429 at once, and goes on afterwards", async () => {
  const slow = slowDoor();
  const limits = { ...usualLimits, requestsAtOnce: 2 };
  const gateway = await openTestGateway([slow.door], { limits });
  try {
    const two = [ask(`${gateway.url}/slow`), ask(`${gateway.url}/slow`)];
    await until("both", () => slow.entered() === 2);
    const third = await ask(`${gateway.url}/slow`);
    assert.deepEqual([third.status, third.body["code"]], [429, "GATEWAY_BUSY"]);
    assert.equal(third.headers.get("retry-after"), "1");
    assert.equal((await ask(`${gateway.url}/health/live`)).status, 200);
    slow.release();
    for (const { status } of await Promise.all(two)) assert.equal(status, 200);
    const next = ask(`${gateway.url}/slow`);
    await until("the next", () => slow.entered() === 3);
    slow.release();
    assert.equal((await next).status, 200);
  } finally {
    await gateway.close();
  }
});

test("an answer that takes too long is given up, and counts until its work is done", async () => {
  const slow = slowDoor();
  const limits = { ...usualLimits, requestsAtOnce: 1, requestMs: 50 };
  const gateway = await openTestGateway([slow.door], { limits });
  try {
    const late = await ask(`${gateway.url}/slow`);
    assert.deepEqual([late.status, late.body["code"]], [503, "REQUEST_TIMEOUT"]);
    assert.equal((await ask(`${gateway.url}/slow`)).body["code"], "GATEWAY_BUSY");
    slow.release();
    await until("room", async () => (await ask(`${gateway.url}/slow`)).status === 503);
    slow.release();
  } finally {
    await gateway.close();
  }
});

test("a drain answers what is under way, takes nothing more, and ends", async () => {
  const slow = slowDoor();
  const gateway = await openTestGateway([slow.door]);
  const under = ask(`${gateway.url}/slow`);
  await until("the request", () => slow.entered() === 1);
  const closed = gateway.close();
  await until("the port to close", async () => {
    const answer = await fetch(`${gateway.url}/health/ready`).catch(() => null);
    return answer === null || answer.status === 503;
  });
  slow.release();
  const { status, headers } = await under;
  assert.deepEqual([status, headers.get("connection")], [200, "close"]);
  await closed;
  await assert.rejects(fetch(`${gateway.url}/health/live`));
});

test("a drain does not wait longer than it may", async () => {
  const slow = slowDoor();
  const limits = { ...usualLimits, drainMs: 50 };
  const gateway = await openTestGateway([slow.door], { limits });
  const under = assert.rejects(fetch(`${gateway.url}/slow`));
  await until("the request", () => slow.entered() === 1);
  await gateway.close();
  await under;
});
