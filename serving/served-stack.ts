import type { Broker } from "../broker/broker.ts";
import type { OfflineStore, OnlineStore } from "../sinks/store.ts";

/** The part of a stack that answers come from; the stores are those of all topologies. */
export interface ServedStack {
  readonly broker: Broker;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
}
