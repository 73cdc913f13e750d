import type { Plan } from "../schemas/plan.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { createMemoryOnlineStore } from "../sinks/memory/memory.ts";
import type { OfflineStore, OnlineStore } from "../sinks/store.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { online } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import type { Door } from "./door.ts";
import type { KnownKeys } from "./keys/key-file.ts";
import { type Gateway, type GatewayOptions, openGateway } from "./open-gateway.ts";

export interface Payment {
  readonly paymentId: string;
  readonly paidAt: number;
  readonly card: string;
  readonly terminal: string;
  readonly cents: number | bigint;
  readonly note: string | null;
}

export const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "paymentId", type: "string" },
    { name: "paidAt", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
    { name: "terminal", type: "string" },
    { name: "cents", type: "long" },
    { name: "note", type: ["null", "string"], default: null },
  ],
});

const payments = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("paymentId");

const byCard = payments
  .keyedBy("card")
  .over("1h")
  .compute({ payments: agg.count(), lastCents: agg.last("cents"), lastNote: agg.last("note") })
  .asFeatureView("cards@1", { ttl: "1d" })
  .into(online);

const byPair = payments
  .keyedBy("card", "terminal")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("pairs@1", { ttl: "1d" })
  .into(online);

/** Payments by card and by card and terminal, in two partitions. */
export const plan: Plan = topology("shop", { byCard, byPair }, { partitions: 2 });

export const noKeys: KnownKeys = { byId: new Map(), isLocked: false };

export const usualLimits = {
  bodyBytes: 65_536,
  requestsAtOnce: 64,
  receiveMs: 30_000,
  requestMs: 5_000,
  drainMs: 5_000,
};

/** A gateway on a free port of loopback. */
export function openTestGateway(
  doors: readonly Door[],
  options: Partial<GatewayOptions> = {},
): Promise<Gateway> {
  return openGateway({
    // Nobody writes into it: in a run it is a setting.
    address: Object.freeze({ host: "127.0.0.1", port: 0 }),
    tls: null,
    keys: () => noKeys,
    keysFile: "keys.json",
    limits: usualLimits,
    doors,
    waitingFor: () => [],
    ...options,
  });
}

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** Asks, and reads JSON. */
export async function ask(url: string, init: RequestInit = {}): Promise<Asked> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  return { status: answer.status, headers: answer.headers, body };
}

export function posting(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}

/** An online store that counts its round trips, and an offline store that must not be asked. */
export function countedStores(): {
  readonly online: OnlineStore & { reads: number };
  readonly offline: OfflineStore;
} {
  const memory = createMemoryOnlineStore();
  const counted = {
    reads: 0,
    write: memory.write.bind(memory),
    position: memory.position.bind(memory),
    close: memory.close.bind(memory),
    read: (keys: Parameters<OnlineStore["read"]>[0]) => {
      counted.reads++;
      return memory.read(keys);
    },
  };
  const never = () => Promise.reject(new Error("the offline store was asked"));
  const offline = { of: () => ({ query: never }) } as unknown as OfflineStore;
  return { online: counted, offline };
}
