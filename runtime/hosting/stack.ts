import type { Broker } from "../../broker/broker.ts";
import type { OfflineStore, OnlineStore } from "../../sinks/store.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import type { ArtifactStore } from "../services/train/artifacts.ts";

/** The world that a plan runs on: the same interfaces on every stack. */
export interface Stack {
  readonly kind: "embedded" | "local" | "compose" | "cluster";
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  /** An engine that reads files of this machine: the offline store where it runs here. */
  readonly files: Pick<OfflineStore, "queryStream">;
  /** Processes of the stack besides this one, for memory accounting. */
  readonly pids: () => readonly number[];
  /** Address of ClickHouse's HTTP interface, null when it is closed. */
  readonly offlineAddress: string | null;
  /** File with the password of that interface, where the stack made it. @default none */
  readonly offlinePassword?: string;
  close(): Promise<void>;
}
