import { asksClosures } from "../../../schemas/expression.ts";
import { nearest } from "../../../schemas/nearest.ts";
import type { RowField } from "../../../schemas/row-layout.ts";
import type { RoutingSpec } from "../../../schemas/steps/predictions.ts";
import {
  fieldsOfRule,
  type RangeSpec,
  type RuleSpec,
  rangeTells,
  routeTells,
  ruleTells,
} from "../../../schemas/steps/rules.ts";
import type { ScoringSpec } from "../../../schemas/steps/scoring.ts";
import { checkCondition } from "../compile/conditions.ts";
import { layoutField, scalarKind, typeText } from "../compile/layout-field.ts";
import type { Problems } from "../compile/problems.ts";
import type { StreamDefinition } from "../definitions.ts";
import type { Routing, ScoringDefinition } from "../scoring.ts";

/** Rules of a step, and values of a list in one. */
const rulesMost = 200;
const listMost = 10_000;

/**
 * What a step does with scores, who answers, what it reads of records for that, and what it tells
 * of it.
 */
export function ruleSpecs(
  problems: Problems,
  name: string,
  { rules, ranges, routed, source }: ScoringDefinition,
  features: readonly string[],
): Pick<ScoringSpec, "rules" | "ranges" | "routing" | "reads" | "tells"> {
  const where = `step "${name}"`;
  const routing = routed && routingSpec(problems, name, routed, source);
  const judged: RowField[] = [
    ...source.layout.fields,
    ...features.map((name): RowField => {
      return { name: `features.${name}`, type: "number", nullable: true };
    }),
    { name: "probability", type: "number", nullable: false },
  ];
  for (const rule of rules ?? []) checkRule(problems, where, rule, source.topic, judged);
  checkNames(problems, where, rules ?? []);
  const read = new Set((rules ?? []).flatMap(fieldsOfRule));
  if (routing !== undefined) read.add(routing.by).add(routing.segment ?? routing.by);
  const reads = source.layout.fields.filter(({ name }) => read.has(name));
  for (const { name } of reads) {
    problems.check(
      name !== "probability" && !/^(?:features|keys)\./.test(name),
      where,
      `rules or routes read "${name}", which is the score's or a feature's name here: give the field another ` +
        "one by select()",
    );
  }
  const specs = ranges === undefined ? undefined : rangeSpecs(problems, where, ranges, features);
  const tells = [
    ...(rules ? ruleTells : []),
    ...(specs ? rangeTells : []),
    ...(routing ? routeTells : []),
  ];
  return {
    ...(rules && { rules }),
    ...(specs && { ranges: specs }),
    ...(routing && { routing }),
    // What fields mean for people is no part of what rows are.
    ...(reads.length > 0 && { reads: { fields: reads.map(({ doc: _, ...field }) => field) } }),
    ...(tells.length > 0 && { tells }),
  };
}

function routingSpec(
  problems: Problems,
  name: string,
  { by, segment, experiment }: Routing,
  { topic, layout }: StreamDefinition,
): RoutingSpec {
  const where = `step "${name}", routed`;
  const known = layout.fields.map((each) => each.name);
  const key = layoutField(layout, by);
  problems.check(
    key !== null && !key.nullable && scalarKind(key) !== null,
    where,
    `by "${by}" needs a field of ${topic} that is never null and no list${nearest(by, known)}`,
  );
  problems.check(
    segment === undefined || layoutField(layout, segment)?.type === "text",
    where,
    `segment "${segment}" is no text of ${topic}${nearest(segment ?? "", known)}`,
  );
  if (experiment !== undefined) {
    problems.check(
      /^[a-z][a-z0-9_-]{0,79}$/.test(experiment),
      where,
      `experiment "${experiment}": write a lower-case letter, then lower-case letters, digits, _ or -`,
    );
  }
  return { by, segment: segment ?? null, salt: experiment ?? name };
}

function checkRule(
  problems: Problems,
  where: string,
  rule: RuleSpec,
  topic: string,
  fields: readonly RowField[],
): void {
  const here = `${where}, rule "${rule.name}"`;
  const layout = { fields };
  problems.check(
    /^[a-z][a-z0-9 _-]{0,79}$/.test(rule.name),
    here,
    "its name needs a lower-case letter, then lower-case letters, digits, blanks, _ or -",
  );
  const probability = rule.kind === "threshold" ? rule.at : rule.probability;
  problems.check(
    probability >= 0 && probability <= 1,
    here,
    `${probability} must be a probability`,
  );
  if (rule.kind === "blockList") {
    checkList(problems, here, rule, topic, fields);
    return;
  }
  if (rule.when === null) return;
  if (asksClosures(rule.when)) {
    problems.add(here, "rules are expressions: no custom(), but a field that select() makes");
    return;
  }
  checkCondition(problems, here, rule.when, { topic: `${topic} or its predictions`, layout });
}

function checkList(
  problems: Problems,
  here: string,
  { field: name, values }: Extract<RuleSpec, { readonly kind: "blockList" }>,
  topic: string,
  fields: readonly RowField[],
): void {
  const field = layoutField({ fields }, name);
  if (field === null) {
    const near = nearest(
      name,
      fields.map((each) => each.name),
    );
    problems.add(here, `${topic} has no field "${name}"${near}`);
    return;
  }
  problems.check(
    values.length > 0 && values.length <= listMost,
    here,
    `has ${values.length} values; give 1 to ${listMost}`,
  );
  const kind = scalarKind(field);
  const wrong = values.find(
    (value) => kind !== (typeof value === "bigint" ? "number" : typeof value),
  );
  problems.check(
    wrong === undefined,
    here,
    `"${name}" has the type ${typeText(field)}, and ${String(wrong)} is a ${typeof wrong}`,
  );
}

function checkNames(problems: Problems, where: string, rules: readonly RuleSpec[]): void {
  problems.check(
    rules.length <= rulesMost,
    where,
    `has ${rules.length} rules; ${rulesMost} are the most`,
  );
  const names = new Set<string>();
  for (const { name } of rules) {
    problems.check(!names.has(name), where, `has two rules "${name}": rename one`);
    names.add(name);
  }
}

/** In the order of the vector, so that the order in the text does not matter. */
function rangeSpecs(
  problems: Problems,
  where: string,
  ranges: NonNullable<ScoringDefinition["ranges"]>,
  features: readonly string[],
): RangeSpec[] {
  const given = Object.entries(ranges).flatMap(([name, range]) =>
    range === undefined ? [] : [[name, range] as const],
  );
  const specs = given.map(([name, { min, max, outside }]): RangeSpec => {
    const here = `${where}, range of "${name}"`;
    problems.check(
      features.includes(name),
      here,
      `there is no such feature${nearest(name, features)}`,
    );
    const ends = [min, max].filter((end) => end !== undefined);
    problems.check(
      ends.length > 0 &&
        ends.every(Number.isFinite) &&
        (ends[0] as number) <= (ends.at(-1) as number),
      here,
      `give min, max or both, as numbers of which min is the less: [${ends.join(", ")}] holds nothing`,
    );
    problems.check(
      outside === "flag" || outside === "refuse",
      here,
      `outside "${outside}" is neither "flag" nor "refuse"`,
    );
    return {
      feature: name,
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      outside,
    };
  });
  return specs.sort((a, b) => features.indexOf(a.feature) - features.indexOf(b.feature));
}
