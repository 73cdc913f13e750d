import { freezeDeeply } from "./freeze.ts";

/** The store that answers "what is it now" by key; the runtime binds it. */
export const online = freezeDeeply({ role: "online" } as const);

/** The store that keeps the whole history for analysts and training; the runtime binds it. */
export const offline = freezeDeeply({ role: "offline" } as const);

export type Online = typeof online;
export type Offline = typeof offline;

/** A topic that a step writes for the world outside. */
export interface OutputTopic {
  readonly role: "topic";
  readonly name: string;
}

/** Names an output topic: Avro values, read_committed, created by the topology. */
export function topic(name: string): OutputTopic {
  return freezeDeeply({ role: "topic", name });
}
