import type { StreamDefinition } from "./definitions.ts";

/** What every stream of records of type `T` is, whatever its verbs. */
export interface SourceStream<out T> {
  readonly kind: "stream";
  readonly source: StreamDefinition;
  /** Only a type: the records. */
  readonly __record?: T;
}
