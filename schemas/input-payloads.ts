import type { ByteWriter } from "./bytes.ts";
import type { Condition } from "./expression.ts";
import {
  type AggregateInput,
  type AggregateSpec,
  aggregateInputs,
  partAggregates,
} from "./feature-view.ts";
import { outcomePayload, predictionPayload } from "./payload.ts";
import type { HeadField, PayloadLayout } from "./payload-view.ts";
import type { PredictionFacts, RequestFeatureSpec } from "./plan.ts";
import type { RouteField } from "./route.ts";
import type { RowField, RowLayout } from "./row-layout.ts";

/**
 * The payload of an input, said once for both ends: what a route writes of a record, and what the
 * task that takes it reads.
 */
export interface InputPayload {
  readonly fields: readonly RouteField[];
  readonly layout: PayloadLayout;
}

type Named = readonly [name: string, field: RouteField];

/** What a view is told of a record: `key`, `eventTime`, `inputs` and on; then the other inputs. */
export function updateInput(aggregates: readonly AggregateSpec[]): InputPayload {
  const { numbers, values } = partAggregates(aggregates);
  const inputs = [numbers, values].flatMap((part) => aggregateInputs(part).inputs);
  return payloadOf([
    ["key", { from: "key" }],
    ["eventTime", { from: "time" }],
    ...inputs.map((input, i): Named => [i === 0 ? "inputs" : `input ${i}`, inputField(input)]),
  ]);
}

/** What a view is asked: `key`, `slot` of the look-up, and the `id` of the record that asks. */
export function lookupInput(slot: number, idField: string): InputPayload {
  return payloadOf([
    ["key", { from: "key" }],
    ["slot", { from: "byte", value: slot }],
    ["id", { from: "text", field: idField }],
  ]);
}

/**
 * A record that is to be scored: `id`, `eventTime`, its place in the source, `request` features and
 * on; then the fields that its prediction tells of, and those that its rules read.
 *
 * @param placed - whether it says its `partition`, which is else that of its writer.
 */
export function triggerInput(
  { request, keys, reads }: Pick<PredictionFacts, "request" | "keys" | "reads">,
  placed: boolean,
): InputPayload {
  return payloadOf([
    ["id", { from: "key" }],
    ["eventTime", { from: "time" }],
    ["offset", { from: "offset" }],
    ...(placed ? [["partition", { from: "partition" }] as const] : []),
    ...request.map(
      (feature, i): Named => [i === 0 ? "request" : `request ${i}`, requestField(feature)],
    ),
    ...(keys === undefined ? [] : [["keys", { from: "row", layout: keys }] as const]),
    ...(reads === undefined ? [] : [["reads", { from: "row", layout: reads }] as const]),
  ]);
}

/** A label: `id`, `eventTime` and what is true, 1 or 0; NaN: unknown. */
export function labelInput(label: Condition): InputPayload {
  return payloadOf([
    ["id", { from: "key" }],
    ["eventTime", { from: "time" }],
    ["label", numberField({ condition: label })],
  ]);
}

/** A record on its way: `value` that tells it apart, `eventTime`, its place, then its fields. */
export function recordInput(layout: RowLayout): InputPayload {
  return payloadOf([
    ["value", { from: "key" }],
    ["eventTime", { from: "time" }],
    ["partition", { from: "partition" }],
    ["offset", { from: "offset" }],
    ["row", { from: "row", layout }],
  ]);
}

/**
 * What a view answers: `id` of the record that asked, `slot` of the look-up, whether it is
 * `incomplete` (a wait for updates was ended), `asOf` (knownAt of the newest record seen, −Infinity
 * where there is none), doubles from `columns` on; then the columns of other types.
 */
export function answerLayout(numbers: number, others: RowLayout): PayloadLayout {
  return { head: [...answerHead, ...numbersFrom("columns", numbers)], rest: others };
}

const answerHead: readonly HeadField[] = [
  { name: "id", type: "text" },
  { name: "slot", type: "byte" },
  { name: "incomplete", type: "boolean" },
  { name: "asOf", type: "number" },
];

/** Writes what stands before the columns of an answer. */
export function beginAnswer(
  writer: ByteWriter,
  id: string,
  slot: number,
  incomplete: boolean,
  asOf: number,
): void {
  writer.text(id);
  writer.u8(slot);
  writer.u8(incomplete ? 1 : 0);
  writer.f64(asOf);
}

/**
 * What a watch is told of a prediction: {@link predictionPayload}, numbers from `features` on; of a
 * routed step then whether it is a challenger's (`challenges`).
 */
export function predictionLayout(features: number, isRouted: boolean): PayloadLayout {
  const { fields } = predictionPayload.layout;
  const head = [...fields.map(headField), ...numbersFrom("features", features)];
  return { head: [...head, ...(isRouted ? [challenges] : [])], rest: { fields: [] } };
}

/** What a watch is told of an outcome: {@link outcomePayload}, then as of a prediction. */
export function outcomeLayout(isRouted: boolean): PayloadLayout {
  const head = outcomePayload.layout.fields.map(headField);
  return { head: [...head, ...(isRouted ? [challenges] : [])], rest: { fields: [] } };
}

const challenges: HeadField = { name: "challenges", type: "boolean" };

/** @throws {RangeError} for what has other bytes than a field that is read where it stands. */
function headField({ name, type, nullable }: RowField): HeadField {
  if (type === "number" || (type === "text" && !nullable)) return { name, type };
  throw new RangeError(`${name} is not read where it stands`);
}

/** Numbers side by side: the first of them has the name. */
function numbersFrom(name: string, count: number): HeadField[] {
  return Array.from({ length: count }, (_, i) => ({
    name: i === 0 ? name : `${name} ${i}`,
    type: "number",
  }));
}

/** @throws {RangeError} when a field that is read where it stands follows one that is not. */
function payloadOf(named: readonly Named[]): InputPayload {
  const head: HeadField[] = [];
  const rest: RowField[] = [];
  for (const [name, field] of named) {
    if (field.from === "row") rest.push(...field.layout.fields);
    else if (field.from === "value") rest.push({ name, type: field.type, nullable: true });
    else if (rest.length > 0) throw new RangeError(`${name} stands behind the row of a payload`);
    else head.push({ name, type: headType(field) });
  }
  return { fields: named.map(([, field]) => field), layout: { head, rest: { fields: rest } } };
}

function headType({ from }: RouteField): HeadField["type"] {
  if (from === "key" || from === "text") return "text";
  return from === "byte" ? "byte" : "number";
}

/** Number in a payload; NaN where it is unknown. */
function numberField(input: AggregateInput): RouteField {
  return { from: "number", input };
}

/** Number in a payload, or a value of the type that an aggregate takes. */
function inputField({ type, ...input }: AggregateInput): RouteField {
  return type === undefined ? numberField(input) : { from: "value", input, type };
}

function requestField({ field, encoding }: RequestFeatureSpec): RouteField {
  return encoding === undefined ? numberField({ field }) : { from: "encoded", field, encoding };
}
