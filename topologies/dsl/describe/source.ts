import { durationText } from "../../../schemas/duration.ts";
import { formatText } from "../../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../../schemas/plan.ts";
import { block } from "./text.ts";

export function sourceText({
  topic,
  format,
  subjects,
  timeField,
  timeUnit,
  latenessMs,
  maxJumpMs,
  partitionField,
  repartitioned,
}: SourceSpec): string {
  const { heading, lines } = formatText(format);
  return block(`source ${topic}`, [
    `time ${timeField}${timeUnit === undefined ? "" : ` in ${timeUnit}`}, lateness ${durationText(latenessMs)}`,
    ...(maxJumpMs === undefined ? [] : [`max jump ${durationText(maxJumpMs)}`]),
    repartitioned ? `repartitioned by ${partitionField}` : `key ${partitionField}`,
    ...(subjects === undefined ? [] : [`subjects ${subjects}`]),
    block(heading, lines),
  ]);
}
