import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";
import { onlineConformance } from "../../sinks/online-conformance.ts";
import { openRedisStore } from "../../sinks/redis/redis.ts";
import type { OnlineFlush } from "../../sinks/store.ts";
import { redisClusterRights, redisRights } from "../../testing/least-rights-fixture.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { type RedisStack, startRedis } from "./redis.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-redis-"));
const servers: RedisStack[] = [];
const proxies: { readonly close: () => Promise<void> }[] = [];
after(async () => {
  for (const proxy of proxies) await proxy.close();
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(name: string, args: readonly string[] = []): Promise<RedisStack> {
  const server = await startRedis({ directory: join(folder, name), args });
  servers.push(server);
  return server;
}

function flush(offset: number): OnlineFlush {
  const row = { served: 0, asOf: offset, seq: 0, validUntil: 9, values: Float64Array.of(1) };
  const rows = [{ entityKey: "k", offset, row }];
  return {
    view: "a@1",
    topicId: "t",
    partition: 0,
    rows,
    nextOffset: offset + 1,
    progress: offset,
  };
}

function rowsOf(count: number): OnlineFlush["rows"] {
  const [first] = flush(1).rows;
  assert.ok(first);
  return Array.from({ length: count }, (_, i) => ({ ...first, entityKey: `k${i}`, offset: i }));
}

/** Passes bytes on to a server, and counts them; while it hangs, it swallows them. */
async function startProxy(port: number) {
  let target = port;
  let hangs = false;
  let bytes = 0;
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = createConnection({ host: "127.0.0.1", port: target });
    const swallows = hangs;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        for (const each of [client, server]) each.destroy();
      });
    }
    client.on("data", (chunk) => {
      bytes += chunk.length;
      if (!hangs && !swallows) server.write(chunk);
    });
    server.pipe(client);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const proxy = {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get bytes() {
      return bytes;
    },
    hang: () => {
      hangs = true;
    },
    goOn: () => {
      hangs = false;
    },
    /** New connections go to another server. */
    moveTo: (other: number) => {
      target = other;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  proxies.push(proxy);
  return proxy;
}

const key = { view: "a@1", entityKey: "k", partition: 0 };

describe("redis", { skip: requirement("redis-server") }, () => {
  onlineConformance("redis", async () => {
    const { url } = await start("server");
    return openRedisStore({ urls: [url] });
  });

  // One node that owns all slots refuses calls across slots, as any cluster does.
  onlineConformance("redis cluster", async () => {
    const args = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];
    const { url } = await start("cluster", args);
    const node = new Redis(url);
    await node.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    while (!String(await node.call("CLUSTER", "INFO")).includes("cluster_state:ok")) await wait(20);
    // No more rights than docs/operations.md lists, but to views of any topology.
    const anyView = redisRights.replace("{flights/*", "{*");
    const rights = `${anyView} ${redisClusterRights}`.split(" ");
    await node.call("ACL", "SETUSER", "runner", "on", ">secret", ...rights);
    node.disconnect();
    const login = { username: "runner", password: "secret" };
    return openRedisStore({ urls: [url], cluster: true, shards: 16, ...login });
  });

  test("a server that was restarted empty is written again, script and all", async () => {
    const server = await start("restarted");
    const store = await openRedisStore({ urls: [server.url] });
    await store.write(flush(1));
    await server.kill();
    await assert.rejects(store.write(flush(2)), { code: "ONLINE_UNAVAILABLE", policy: "retry" });
    await assert.rejects(store.read([key]), { code: "ONLINE_UNAVAILABLE" });
    await server.start();
    for (;;) {
      const written = await store.write(flush(2)).then(
        () => true,
        () => false,
      );
      if (written) break;
      await wait(20);
    }
    const read = await store.read([key]);
    assert.equal(read[0]?.row?.asOf, 2);
    await store.close();
  });

  test("an ACL user needs its password, and rows expire when asked to", async () => {
    const user = ["--user", "pump", "on", ">secret", "~*", "+@all"];
    const { url } = await start("acl", user);
    const refused = await openRedisStore({ urls: [url], username: "pump", password: "wrong" });
    await assert.rejects(refused.write(flush(1)), { code: "ONLINE_REFUSED", policy: "retry" });
    await refused.close();
    const login = { username: "pump", password: "secret" };
    const store = await openRedisStore({ urls: [url], ...login });
    await store.write({ ...flush(1), expireAfterMs: 60_000 });
    const client = new Redis(url, login);
    const [name] = await client.keys("millrace:{a@1#*");
    const left = await client.pttl(name ?? "");
    assert.ok(left > 0 && left <= 60_000);
    client.disconnect();
    await store.close();
  });

  test("a server that hangs is sent a part of a flush once, however often it is tried again", async () => {
    const server = await start("hanging");
    const proxy = await startProxy(server.port);
    const flushed = { ...flush(1), rows: rowsOf(20_000) };
    const patient = await openRedisStore({ urls: [proxy.url] });
    await patient.write(flushed);
    await patient.close();
    const flushBytes = proxy.bytes;
    const store = await openRedisStore({ urls: [proxy.url], timeoutMs: 200 });
    proxy.hang();
    for (let attempt = 0; attempt < 8; attempt++) {
      await assert.rejects(store.write(flushed), { code: "ONLINE_UNAVAILABLE" });
    }
    // Of its 100 calls 16 are under way at once.
    assert.ok(proxy.bytes < 1.25 * flushBytes, `${proxy.bytes} of ${flushBytes}`);
    proxy.goOn();
    while (
      await store.write(flushed).then(
        () => false,
        () => true,
      )
    )
      await wait(20);
    await store.close();
  });

  test("after a failover the store writes to the server that its address means now", async () => {
    const [old, next] = [await start("demoted"), await start("promoted")];
    const proxy = await startProxy(old.port);
    const store = await openRedisStore({ urls: [proxy.url] });
    await store.write(flush(1));
    const client = new Redis(old.url);
    await client.replicaof("127.0.0.1", next.port);
    client.disconnect();
    proxy.moveTo(next.port);
    for (let attempt = 0; ; attempt++) {
      const written = await store.write(flush(2)).then(
        () => true,
        () => false,
      );
      if (written) break;
      assert.ok(attempt < 200, "it still writes to the old one");
      await wait(20);
    }
    await store.close();
  });

  test("a store can be opened while its server is away", async () => {
    const store = await openRedisStore({ urls: ["redis://127.0.0.1:9"], timeoutMs: 500 });
    await assert.rejects(store.read([key]), { code: "ONLINE_UNAVAILABLE" });
    await store.close();
  });
});
