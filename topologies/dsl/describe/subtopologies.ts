import { durationText } from "../../../schemas/duration.ts";
import {
  type InboxOutputSpec,
  type InputSpec,
  type OutputSpec,
  routesIn,
  type Subtopology,
} from "../../../schemas/plan.ts";
import { block, list } from "./text.ts";

export function subtopologyText(subtopology: Subtopology): string {
  const { operator, name, partitions, inbox, changelog, inputs, outputs } = subtopology;
  return block(`subtopology ${name} (${operator.kind}, ${partitions})`, [
    `reads ${inbox}, keeps ${changelog}`,
    ...inputs.map(inputText),
    ...outputs.map((output, i) => `${i} → ${outputText(output)}`),
    ...routesIn(operator).map(({ what, output }) => `each record: ${what} → ${output}`),
  ]);
}

function inputText({ name, role, from, channels }: InputSpec): string {
  return `← ${name} (${role}) from ${from}, ${channels}`;
}

function outputText(output: OutputSpec): string {
  switch (output.kind) {
    case "inbox":
      return `${output.to}, ${output.input}, by ${output.fanOut}; promises ${promiseText(output)}`;
    case "rows":
      return `topic ${output.topic}, rows of ${output.view}`;
    case "topic":
      return `topic ${output.topic}, ${output.schema.name}, by ${output.partitioning}`;
  }
}

function promiseText({ triggers, timers, lookAheadMs }: InboxOutputSpec): string {
  const inputs = triggers.length === 0 ? ["stream time"] : triggers;
  const least = list([...inputs, ...(timers ? ["timers"] : [])]);
  return lookAheadMs === 0 ? least : `${least}, plus ${durationText(lookAheadMs)}`;
}
