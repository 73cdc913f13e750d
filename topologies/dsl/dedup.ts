import type { Duration } from "../../schemas/duration.ts";
import type { StreamDefinition } from "./definitions.ts";

export interface DedupDefinition {
  readonly name: string;
  readonly source: StreamDefinition;
  readonly field: string;
  readonly within: string;
}

export interface DedupOptions {
  /** Event time between two records of a value that are not taken for one. */
  readonly within: Duration;
  /** Name of the tasks and their state. @default `<topic>-by-<field>` */
  readonly name?: string;
}

/** Name of the tasks where none is given. */
export function nameByField({ topic }: Pick<StreamDefinition, "topic">, field: string): string {
  return `${topic}-by-${field}`;
}

/** A stream without the records that come again. */
export function deduped(
  source: StreamDefinition,
  field: string,
  { within, name = nameByField(source, field) }: DedupOptions,
): StreamDefinition {
  const definition: DedupDefinition = { name, source, field, within };
  return {
    ...source,
    origin: { kind: "dedup", definition, name },
    yielded: source.layout,
    through: [],
  };
}
