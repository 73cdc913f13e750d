import type { VerifyReport } from "../../audit/verify-run.ts";
import { plainText } from "../../schemas/plain-text.ts";
import { groundTruthText } from "../summary/ground-truth-text.ts";
import { table } from "../table.ts";

/** The report for people; the problems stand last, where one sees them. */
export function verifyText({ sources, scorings, tables, problems }: VerifyReport): string {
  const number = (value: number) => value.toLocaleString("en-US");
  const truthOf = (scoring: VerifyReport["scorings"][number]) => {
    const { outcomes, labelled, takenForNegative, pending } = scoring;
    const unknown = outcomes - labelled - takenForNegative;
    return groundTruthText({ labelled, takenForNegative, unknown, pending });
  };
  const awaiting = sources.reduce((sum, each) => sum + each.awaiting, 0);
  return [
    table(
      ["source", "partition", "records", "late", "dead letters", "gone"],
      sources.map(({ source, partition, records, late, deadLettered, missing }) => [
        source,
        String(partition),
        number(records),
        number(late),
        number(deadLettered),
        number(missing),
      ]),
    ),
    ...scorings.map(
      (each) =>
        `${each.scoring}: ${number(each.predictions)} of ${number(each.expected)} records, ` +
        truthOf(each),
    ),
    table(
      ["table", "topic", "records", "of them purged", "rows"],
      tables.map(({ table: name, topic, records, purged, rows }) => [
        name,
        topic,
        number(records),
        number(purged),
        number(rows),
      ]),
    ),
    ...(awaiting === 0
      ? []
      : [`${number(awaiting)} records came after the end of the run and await the next.`]),
    problems.length === 0
      ? "Everything is there, once."
      : [`${problems.length} wrong:`, ...problems.map((each) => `- ${plainText(each)}`)].join("\n"),
  ].join("\n\n");
}
