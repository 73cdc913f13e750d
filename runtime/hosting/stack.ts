import type { Broker } from "../../broker/broker.ts";
import { onlineStoreOf } from "../../sinks/online-namespace.ts";
import type { OfflineStore, OnlineStore } from "../../sinks/store.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import type { ArtifactStore, Artifacts } from "../services/train/artifacts.ts";

/** The world that a plan runs on: the same interfaces on every stack. */
export interface Stack {
  readonly kind: "embedded" | "local" | "compose" | "cluster";
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly artifacts: Artifacts;
  /** An engine that reads files of this machine: the offline store where it runs here. */
  readonly files: Pick<OfflineStore, "query" | "queryText" | "queryStream">;
  /** Processes of the stack besides this one, for memory accounting. */
  readonly pids: () => readonly number[];
  /** Address of ClickHouse's HTTP interface, null when it is closed. */
  readonly offlineAddress: string | null;
  /** File with the password of that interface, where the stack made it. @default none */
  readonly offlinePassword?: string;
  close(): Promise<void>;
}

/** What a topology sees of the stores: its own part of each, and nothing of another's. */
export interface TopologyStores {
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
}

/** A stack as a topology sees it. */
export type TopologyStack = Omit<Stack, keyof TopologyStores> & TopologyStores;

/** The part of the stores that belongs to a topology; closing it closes nothing. */
export function storesOf<S extends Pick<Stack, "online" | "offline" | "artifacts">>(
  stack: S,
  topology: string,
): Omit<S, keyof TopologyStores> & TopologyStores {
  return {
    ...stack,
    online: onlineStoreOf(stack.online, topology),
    offline: stack.offline.of(topology),
    artifacts: stack.artifacts.of(topology),
  };
}
