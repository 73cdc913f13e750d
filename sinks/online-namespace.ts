import type { OnlineStore } from "./store.ts";

/**
 * The part of an online store that belongs to a topology: its views are stored as
 * `<topology>/<view>`, so that views of one name never meet. Closing it closes nothing.
 */
export function onlineStoreOf(store: OnlineStore, topology: string): OnlineStore {
  const named = (view: string) => onlineViewOf(topology, view);
  return {
    write: (flush) => store.write({ ...flush, view: named(flush.view) }),
    read: (keys) => store.read(keys.map((key) => ({ ...key, view: named(key.view) }))),
    position: (view, topicId, partition) => store.position(named(view), topicId, partition),
    close: async () => {},
  };
}

/** What a view of a topology goes by in the store that all topologies share. */
export function onlineViewOf(topology: string, view: string): string {
  return `${topology}/${view}`;
}
