import { isDeepStrictEqual } from "node:util";
import { durationText } from "../../../schemas/duration.ts";
import { recordInput } from "../../../schemas/input-payloads.ts";
import type { DedupSpec } from "../../../schemas/steps/dedup.ts";
import { transformLines } from "../../../schemas/transforms/through.ts";
import { isId, layoutField } from "../compile/layout-field.ts";
import { fanOutOf, type Part } from "../compile/link.ts";
import { checkStepName } from "../compile/names.ts";
import type { Problems } from "../compile/problems.ts";
import {
  type Context,
  type Named,
  originOf,
  type Specs,
  type StepModule,
  throughOf,
} from "../compile/step-module.ts";
import { type DedupDefinition, nameByField } from "../dedup.ts";
import { block } from "../describe/text.ts";

/** The tasks that remember what a stream has had, and pass on what is new. */
export const dedup: StepModule<"dedup", DedupDefinition> = {
  after: [],
  ownName: ({ name }) => name,
  needs: () => [],
  streams: ({ source }) => [source],
  specs: dedupSpecs,
  part,
  text,
};

function dedupSpecs(
  problems: Problems,
  steps: readonly Named<DedupDefinition>[],
  context: Context,
): DedupSpec[] {
  const specs = new Map<string, DedupSpec>();
  for (const { name, definition } of steps) {
    const where = `dedupedBy("${definition.field}") of "${definition.source.topic}"`;
    const { source, field } = definition;
    problems.check(
      isId(layoutField(source.layout, field)),
      where,
      "needs text or a whole number that is never null",
    );
    if (name !== nameByField(source, field)) checkStepName(problems, `${where}, name`, name);
    const spec: DedupSpec = {
      name,
      source: originOf(context, source),
      ...throughOf(source),
      partitionField: field,
      withinMs: problems.duration(where, "within", definition.within),
      latenessMs: problems.duration(where, "lateness", source.lateness),
      // What fields mean for people is no part of what rows are.
      layout: { fields: source.layout.fields.map(({ doc: _, ...field }) => field) },
    };
    problems.check(
      isDeepStrictEqual(specs.get(name) ?? spec, spec),
      where,
      `"${name}" is there twice with different settings: use one stream, or give another name`,
    );
    specs.set(name, spec);
  }
  return [...specs.values()];
}

/** What is passed on is known when it came: the least of what comes is promised. */
function part(dedup: DedupSpec, specs: Specs): Part {
  const { name, source, partitionField, layout } = dedup;
  return {
    name,
    tasks: name,
    operator: (routesOf) => ({ kind: "dedup", spec: { dedup, routes: routesOf(name) } }),
    partitions: specs.partitions,
    promises: { triggers: ["records"], timers: false, lookAheadMs: 0 },
    outputs: [],
    links: [
      {
        from: source,
        to: name,
        input: "records",
        role: "update",
        fanOut: fanOutOf(specs, { ...dedup, keyField: partitionField }),
        route: {
          what: `record of ${name}`,
          ...throughOf(dedup),
          key: [partitionField],
          fields: recordInput(layout).fields,
          counted: name,
        },
      },
    ],
  };
}

function text(dedup: DedupSpec): string {
  return block(`dedup ${dedup.name}`, [
    `of ${dedup.source} by ${dedup.partitionField}`,
    ...transformLines(dedup.through),
    `within ${durationText(dedup.withinMs)}, lateness ${durationText(dedup.latenessMs)}`,
    ...dedup.layout.fields.map(
      ({ name, type, nullable }) => `${name}: ${JSON.stringify(type)}${nullable ? " or null" : ""}`,
    ),
  ]);
}
