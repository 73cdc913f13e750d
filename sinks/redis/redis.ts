import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { Cluster, Redis, ReplyError } from "ioredis";
import { MillraceError } from "../../schemas/errors.ts";
import {
  decodeOnlineRow,
  decodeProgress,
  encodeOnlineRow,
  encodeProgress,
  storedPosition,
  topicFence,
} from "../online-row.ts";
import type { OnlineEntry, OnlineFlush, OnlineKey, OnlineStore } from "../store.ts";
import { GatheredReads } from "./gathered-reads.ts";

export interface RedisStoreOptions {
  /** `redis://` or `rediss://` addresses: one server, or some nodes of a cluster. */
  readonly urls: readonly string[];
  /** Whether the addresses are nodes of a Redis Cluster. @default false */
  readonly cluster?: boolean;
  /** User of an ACL. @default the user in the address */
  readonly username?: string;
  /** @default the password in the address */
  readonly password?: string;
  /** PEM of authorities and of a client certificate, for `rediss://`. @default those Node trusts */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** Before every key. @default "millrace:" */
  readonly keyPrefix?: string;
  /** Hash tags a view: keys of one tag share a slot, so that one call writes many. @default 256 */
  readonly shards?: number;
  /** Longest wait for an answer, ms. @default 10000 */
  readonly timeoutMs?: number;
}

const defaults = {
  cluster: false,
  keyPrefix: "millrace:",
  shards: 256,
  timeoutMs: 10_000,
} as const;

/** Keys of one script call. */
const keysPerCall = 200;

/** Calls under way: the time that one has for its answer is not spent behind a whole flush. */
const callsAtOnce = 16;

/** Longest wait between two attempts to connect, ms. */
const reconnectMsMost = 2_000;

/**
 * Writes values whose fence is not older than what is stored. The fence stands at byte `at`: eight
 * bytes of the topic's id, then the offset as a double. Progress (at byte 1) is 24 bytes: its last
 * eight never fall within a topic.
 */
const script = `
local expire, at = tonumber(ARGV[1]), tonumber(ARGV[2])
local written = 0
for i, key in ipairs(KEYS) do
  local new = ARGV[i + 2]
  local old = redis.call('GETRANGE', key, 0, 23)
  if #old < at + 15 or string.sub(old, at, at + 7) ~= string.sub(new, at, at + 7)
    or struct.unpack('<d', string.sub(old, at + 8, at + 15))
      <= struct.unpack('<d', string.sub(new, at + 8, at + 15))
  then
    if at == 1 and #old == 24 and string.sub(old, 1, 8) == string.sub(new, 1, 8)
      and struct.unpack('<d', string.sub(old, 17)) > struct.unpack('<d', string.sub(new, 17))
    then
      new = string.sub(new, 1, 16) .. string.sub(old, 17)
    end
    if expire > 0 then redis.call('SET', key, new, 'PX', expire)
    else redis.call('SET', key, new) end
    written = written + 1
  end
end
return written`;
const scriptSha = createHash("sha1").update(script).digest("hex");
const rowFenceAt = 2;
const progressFenceAt = 1;

/**
 * The online store on Redis or Valkey: a packed binary string a row. Tries to connect once before
 * it resolves and goes on trying afterwards; while the server is away calls reject with
 * ONLINE_UNAVAILABLE and nothing is queued.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<OnlineStore> {
  const client = options.cluster ? connectCluster(options) : connectServer(options);
  const connection: ConnectionState = { trouble: null };
  // Told by the call that it makes fail.
  client.on("error", (error: Error & { readonly lastNodeError?: Error }) => {
    const { message } = error.lastNodeError ?? error;
    connection.trouble = message || String(error);
  });
  client.on("ready", () => {
    connection.trouble = null;
  });
  // A cluster that is not whole yet leaves its caller waiting without end.
  const given = new AbortController();
  const timeout = wait(options.timeoutMs ?? defaults.timeoutMs, null, { signal: given.signal });
  await Promise.race([client.connect().catch(() => {}), timeout.catch(() => {})]);
  given.abort();
  return new RedisStore(client, connection, options);
}

/** Why there is no connection, as the last attempt found it. */
interface ConnectionState {
  trouble: string | null;
}

/** Answers of Redis to a login, and to a command that its user may not give. */
const refusal = /^(WRONGPASS|NOAUTH|NOPERM|ERR (AUTH|Client sent AUTH))/;

function connectServer(options: RedisStoreOptions): Redis {
  return new Redis(options.urls[0] ?? "redis://127.0.0.1:6379", {
    ...connection(options),
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt: number) => Math.min(reconnectMsMost, 50 * attempt),
    // After a failover the address means another server than the one that is connected.
    reconnectOnError: ({ message }) => message.includes("READONLY"),
  });
}

function connectCluster(options: RedisStoreOptions): Cluster {
  return new Cluster([...options.urls], {
    redisOptions: connection(options),
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    clusterRetryStrategy: (attempt: number) => Math.min(reconnectMsMost, 50 * attempt),
  });
}

function connection({ username, password, tls, timeoutMs }: RedisStoreOptions) {
  return {
    // A user with no more rights than it needs may not say who it is.
    disableClientInfo: true,
    commandTimeout: timeoutMs ?? defaults.timeoutMs,
    connectTimeout: timeoutMs ?? defaults.timeoutMs,
    // A server that hangs keeps its connection: what retries send would pile up in our memory.
    socketTimeout: timeoutMs ?? defaults.timeoutMs,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

class RedisStore implements OnlineStore {
  readonly #client: Redis | Cluster;
  readonly #connection: ConnectionState;
  readonly #where: string;
  readonly #keyPrefix: string;
  readonly #shards: number;
  /** Of one server; a cluster's client gathers by itself. */
  readonly #reads: GatheredReads;

  constructor(client: Redis | Cluster, connection: ConnectionState, options: RedisStoreOptions) {
    this.#client = client;
    this.#connection = connection;
    this.#where = options.urls.map((url) => new URL(url).host).join(", ");
    this.#keyPrefix = options.keyPrefix ?? defaults.keyPrefix;
    this.#shards = options.shards ?? defaults.shards;
    this.#reads = new GatheredReads((keys) => client.mgetBuffer(...keys));
  }

  /** Progress is written once every row is there: it never promises a row that is missing. */
  write(flush: OnlineFlush): Promise<void> {
    return this.#ask(async () => {
      const { view, partition, nextOffset, progress, expireAfterMs: expire = 0 } = flush;
      const topic = topicFence(flush.topicId);
      const rows = flush.rows.map(({ entityKey, offset, row }) => ({
        key: this.#rowKey(view, entityKey),
        shard: this.#shardOf(entityKey),
        value: encodeOnlineRow(topic, offset, row),
      }));
      const groups = this.#groups(rows);
      let failed = false;
      const lane = async (): Promise<void> => {
        for (let group = groups.shift(); group && !failed; group = groups.shift()) {
          const [keys, values] = [group.map(({ key }) => key), group.map(({ value }) => value)];
          await this.#write(keys, values, expire, rowFenceAt).catch((error: unknown) => {
            failed = true;
            throw error;
          });
        }
      };
      // All must have ended before one's failure is told: a retry must not race with the rest.
      for (const outcome of await Promise.allSettled(Array.from({ length: callsAtOnce }, lane))) {
        if (outcome.status === "rejected") throw outcome.reason;
      }
      const value = encodeProgress(topic, nextOffset, progress);
      await this.#write([this.#progressKey(view, partition)], [value], 0, progressFenceAt);
    });
  }

  /** One round trip; on a cluster two, since progress must be read before the rows. */
  read(keys: readonly OnlineKey[]): Promise<OnlineEntry[]> {
    if (keys.length === 0) return Promise.resolve([]);
    return this.#ask(async () => {
      const rowKeys = keys.map(({ view, entityKey }) => this.#rowKey(view, entityKey));
      const progressOf = keys.map(({ view, partition }) => this.#progressKey(view, partition));
      const partitions = [...new Set(progressOf)];
      const values = await this.#get(partitions, rowKeys);
      const progress = new Map(
        partitions.map((key, index) => [key, decodeProgress(values[index])]),
      );
      return keys.map((_, index) => {
        const stored = values[partitions.length + index];
        return {
          row: stored ? decodeOnlineRow(stored, this.#where) : null,
          progress: progress.get(progressOf[index] ?? "") ?? Number.NEGATIVE_INFINITY,
        };
      });
    });
  }

  position(view: string, topicId: string, partition: number): Promise<number | null> {
    return this.#ask(async () => {
      const [stored = null] = await this.#get([this.#progressKey(view, partition)], []);
      return storedPosition(stored, topicId);
    });
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }

  async #get(first: readonly string[], then: readonly string[]): Promise<(Buffer | null)[]> {
    const client = this.#client;
    if (!(client instanceof Cluster)) return this.#reads.get([...first, ...then]);
    const before = await Promise.all(first.map((key) => client.getBuffer(key)));
    return [...before, ...(await Promise.all(then.map((key) => client.getBuffer(key))))];
  }

  async #write(
    keys: readonly string[],
    values: readonly Buffer[],
    expireMs: number,
    fenceAt: number,
  ): Promise<void> {
    const given = [...keys, String(expireMs), String(fenceAt), ...values];
    try {
      await this.#client.evalsha(scriptSha, keys.length, ...given);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      await this.#client.eval(script, keys.length, ...given);
    }
  }

  /** Calls of a few hundred keys; on a cluster all keys of a call share a slot. */
  #groups<T extends { readonly shard: number }>(rows: readonly T[]): T[][] {
    const sorted =
      this.#client instanceof Cluster ? rows.toSorted((a, b) => a.shard - b.shard) : rows;
    const groups: T[][] = [];
    for (const row of sorted) {
      const group = groups.at(-1);
      const shares = !(this.#client instanceof Cluster) || group?.[0]?.shard === row.shard;
      if (group !== undefined && shares && group.length < keysPerCall) group.push(row);
      else groups.push([row]);
    }
    return groups;
  }

  #rowKey(view: string, entityKey: string): string {
    return `${this.#keyPrefix}{${view}#${this.#shardOf(entityKey)}}:${entityKey}`;
  }

  #progressKey(view: string, partition: number): string {
    return `${this.#keyPrefix}{${view}/${partition}}:progress`;
  }

  /** FNV-1a of the key: the same on every process and for ever. */
  #shardOf(entityKey: string): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < entityKey.length; i++) {
      hash = Math.imul(hash ^ entityKey.charCodeAt(i), 0x01000193);
    }
    return (hash >>> 0) % this.#shards;
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      // While there is no connection a call says no more than that; the attempt knows why.
      const known = error instanceof ReplyError ? null : this.#connection.trouble;
      const reason = known ?? (error instanceof Error ? error.message : String(error));
      const code = refusal.test(reason) ? "ONLINE_REFUSED" : "ONLINE_UNAVAILABLE";
      // No cause: an error of ioredis carries its command, and that of a login the password.
      throw new MillraceError(code, { where: this.#where, reason });
    }
  }
}
