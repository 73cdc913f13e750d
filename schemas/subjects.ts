/**
 * Which subject of a schema registry the schemas of a topic are registered on: Confluent's naming
 * strategies. `topic`: `<topic>-value`; `record`: the full name of the record; `topic-record`:
 * `<topic>-<full name>`; `any`: an id of whatever subject will do.
 */
export type SubjectNaming = "topic" | "record" | "topic-record" | "any";

/** The subject of a topic's values; null: any. @param record - full name of the record. */
export function subjectOf(naming: SubjectNaming, topic: string, record: string): string | null {
  switch (naming) {
    case "topic":
      return `${topic}-value`;
    case "record":
      return record;
    case "topic-record":
      return `${topic}-${record}`;
    case "any":
      return null;
  }
}
