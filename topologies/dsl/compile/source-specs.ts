import { layoutOf, unreadOf } from "../../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../../schemas/plan.ts";
import type { RowField, RowLayout } from "../../../schemas/row-layout.ts";
import {
  isNumber,
  type SourceTime,
  timedLayout,
  timeUnits,
  usualMaxJumpMs,
} from "../../../schemas/source-time.ts";
import { layoutThrough } from "../../../schemas/transforms/through.ts";
import type { SourceDefinition, StreamDefinition } from "../definitions.ts";
import { checkCondition } from "./conditions.ts";
import { isId, layoutField } from "./layout-field.ts";
import { checkTopicName, compareText } from "./names.ts";
import type { Problems } from "./problems.ts";

/** Sources in the order of their topics; each topic has one clock and one contract. */
export function sourceSpecs(
  problems: Problems,
  streams: readonly StreamDefinition[],
): SourceSpec[] {
  const specs = new Map<string, SourceSpec>();
  for (const { origin } of new Set(streams)) {
    if ("definition" in origin) continue;
    const spec = sourceSpec(problems, origin);
    const other = specs.get(spec.topic);
    if (other === undefined) specs.set(spec.topic, spec);
    else {
      problems.check(
        JSON.stringify(other) === JSON.stringify(spec),
        `source "${spec.topic}"`,
        "is declared twice with different settings: declare it once and use the value again",
      );
    }
  }
  return [...specs.values()].sort((a, b) => compareText(a.topic, b.topic));
}

function sourceSpec(problems: Problems, definition: SourceDefinition): SourceSpec {
  const { topic, format, time, partitionField, repartitioned } = definition;
  const written = layoutOf(format);
  const layout = timedLayout(written, time);
  const where = `source "${topic}"`;
  for (const [path, what] of unreadOf(format)) {
    problems.explain(path, `"${path}" of ${topic} is ${what}, which is not read`);
  }
  checkTopicName(problems, where, topic);
  const hasPrototype = written.fields.some(({ name }) => name === "__proto__");
  problems.check(!hasPrototype, where, 'a record of it has a field "__proto__": leave it out');
  checkTime(problems, where, written, time);
  const verb = repartitioned ? "repartitionedBy" : "partitionedBy";
  problems.check(
    isId(layoutField(layout, partitionField)),
    where,
    `${verb}("${partitionField}") needs text or a whole number that is never null`,
  );
  const latenessMs = problems.duration(where, "lateness", definition.lateness);
  const maxJumpMs = problems.duration(where, "maxJump", definition.maxJump);
  const { subjects } = definition;
  const named = subjects === "topic" ? {} : { subjects };
  return {
    ...{ topic, format, ...named, layout, ...time },
    ...{ latenessMs, ...(maxJumpMs !== usualMaxJumpMs && { maxJumpMs }) },
    ...{ partitionField, repartitioned },
  };
}

function checkTime(
  problems: Problems,
  where: string,
  layout: RowLayout,
  { timeField, recordTime, timeUnit }: SourceTime,
): void {
  const field = layoutField(layout, timeField);
  if (recordTime === true) {
    const text = `recordTime() is a field "${timeField}" itself, which the format has already`;
    problems.check(field === null, where, text);
    return;
  }
  problems.check(
    timeUnit === undefined || timeUnits.includes(timeUnit),
    where,
    `timedBy("${timeField}") has the unit "${timeUnit}": one of ${timeUnits.join(", ")}`,
  );
  const isTime =
    timeUnit === undefined ? field?.type === "timestamp" : field !== null && isNumber(field);
  const wanted = timeUnit === undefined ? "a timestamp" : `a number in ${timeUnit}`;
  problems.check(
    isTime && field?.nullable === false,
    where,
    `timedBy("${timeField}") needs ${wanted} that is never null${hint(field, timeUnit)}`,
  );
}

function hint(field: RowField | null, timeUnit: string | undefined): string {
  if (field === null) return "";
  if (timeUnit !== undefined) return field.type === "timestamp" ? ": a timestamp has one" : "";
  return isNumber(field) ? ': say its unit, e.g. { unit: "ms" }' : "";
}

/** Checks each thing that records go through against those that come to it. */
export function checkStreams(problems: Problems, streams: readonly StreamDefinition[]): void {
  for (const { topic, yielded, through } of new Set(streams)) {
    const where = `stream of "${topic}"`;
    layoutThrough(through, yielded, {
      condition: (condition, layout) =>
        checkCondition(problems, where, condition, { topic, layout }),
      problem: (text) => problems.add(where, text),
    });
  }
}
