import type { RereadReport } from "../../audit/reread/reread-run.ts";
import { table } from "../table.ts";

/** The report for people. */
export function rereadText({ topics, begins, elapsedMs }: RereadReport): string {
  const number = (value: number) => value.toLocaleString("en-US");
  const different = topics.filter(({ differences }) => differences.length > 0).length;
  const seconds = (elapsedMs / 1000).toFixed(1);
  const end =
    different === 0
      ? `Read again in ${seconds} s: equal, byte for byte but for measured times.`
      : `Read again in ${seconds} s: ${different} topics DIFFER.${lostText(begins)}`;
  const rows = topics.map(({ topic, records, purged, beyond, differences }) => [
    topic,
    number(records),
    number(purged),
    number(beyond),
    differences.length === 0 ? "equal" : "DIFFERENT",
  ]);
  return `${table(["topic", "compared", "purged", "beyond the run", ""], rows)}\n\n${end}`;
}

/** Why there may be differences that are no fault of the run. */
function lostText(begins: RereadReport["begins"]): string {
  if (begins.length === 0) return "";
  const places = begins.map(({ topic, partition, offset }) => `${topic}/${partition} at ${offset}`);
  return (
    `\nSources begin behind their first record (${places.join(", ")}): what stood before is gone, ` +
    "and a run that has read it cannot be read again alike."
  );
}
