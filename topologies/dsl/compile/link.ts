import type {
  AccountSpec,
  InboxOutputSpec,
  InputSpec,
  OperatorSpec,
  RowsOutputSpec,
  StoredTopic,
  Subtopology,
  TopicOutputSpec,
} from "../../../schemas/plan.ts";
import type { RouteSpec } from "../../../schemas/route.ts";
import { nameOfStep, passedBy } from "../../../schemas/steps/steps.ts";
import { topicText } from "../../../schemas/topic-names.ts";
import { copiedThrough } from "../../../schemas/transforms/through.ts";
import type { Specs } from "./step-module.ts";

/** A topic that a step writes for others than tasks. */
export interface WorldOutput {
  readonly spec: RowsOutputSpec | TopicOutputSpec;
  readonly stored: Omit<StoredTopic, "topic"> | null;
  /** Its use, where it belongs to the whole topology and steps write to it together. */
  readonly shared?: "output" | "models";
}

/** What decides how far the records of a step have come. */
export type Promised = Pick<InboxOutputSpec, "triggers" | "timers" | "lookAheadMs">;

/** Records that the tasks of one step give to those of another. */
export interface Link {
  /** Source or step that yields them. */
  readonly from: string;
  /** Subtopology and input that take them. */
  readonly to: string;
  readonly input: string;
  readonly role: InputSpec["role"];
  /** @default true */
  readonly awaited?: boolean;
  readonly fanOut: InboxOutputSpec["fanOut"];
  /** Inputs of the giving task that they answer. @default what the step promises */
  readonly triggers?: readonly string[];
  /** What is written for each record. @default the operator knows */
  readonly route?: Omit<RouteSpec, "output">;
}

/** What is asked of the records that a source or a step yields, by its name. */
export type RoutesOf = (name: string) => readonly RouteSpec[];

/** The share of a source or a step in the subtopologies. */
export interface Part {
  readonly name: string;
  /** Subtopology whose tasks it runs in. */
  readonly tasks: string;
  /** What these tasks do; null where the step that they are named after says so. */
  readonly operator: ((routesOf: RoutesOf) => OperatorSpec) | null;
  readonly partitions: number;
  /** Topic in place of an inbox. @default an inbox of its own */
  readonly reads?: string;
  readonly promises: Promised;
  readonly outputs: readonly WorldOutput[];
  /** Topics of it that a gateway writes, and its tasks do not. @default none */
  readonly served?: readonly WorldOutput[];
  readonly links: readonly Link[];
}

/** All topics of a share that others read. */
export function worldOutputs({ outputs, served = [] }: Part): readonly WorldOutput[] {
  return [...outputs, ...served];
}

/** By fan-out how records come to the tasks there. */
const channels = { key: "all", same: "same", every: "one" } as const;

/** Order in which a task has its inputs and writes its outputs, those of equal role by step. */
const order: readonly InputSpec["role"][] = ["answer", "lookup", "trigger", "update"];

/** Cuts what steps say of themselves into subtopologies. */
export function link(topology: string, parts: readonly Part[]): Subtopology[] {
  const links = parts
    .flatMap((part) => part.links)
    .sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role));
  return parts.flatMap((part) => {
    const { operator, tasks, partitions, reads } = part;
    if (operator === null) return [];
    const hosted = parts.filter((each) => each.tasks === tasks);
    const { outputs, routes } = inboxOutputs(hosted, links, parts);
    const world = hosted.flatMap((each) => each.outputs.map(({ spec }) => spec));
    const prefix = `${topology}.${topicText(tasks)}`;
    const topics = world.filter(({ kind }) => kind === "topic");
    const routesOf: RoutesOf = (name) =>
      routes.flatMap(({ giver, route: { what, output, ...rest } }) =>
        giver === name ? [{ what, output: output + topics.length, ...rest }] : [],
      );
    return {
      name: tasks,
      operator: operator(routesOf),
      partitions,
      inputs: inputs(tasks, links, parts),
      outputs: [...topics, ...outputs, ...world.filter(({ kind }) => kind === "rows")],
      inbox: reads ?? `${prefix}.inbox`,
      changelog: `${prefix}.changelog`,
    };
  });
}

function inputs(tasks: string, links: readonly Link[], parts: readonly Part[]): InputSpec[] {
  const found = new Map<string, InputSpec>();
  for (const { from, to, input, role, awaited = true, fanOut } of links) {
    if (to !== tasks || found.has(input)) continue;
    found.set(input, {
      name: input,
      role,
      from: partOf(parts, from).tasks,
      channels: channels[fanOut],
      ...(awaited ? {} : { awaited }),
    });
  }
  return [...found.values()];
}

function inboxOutputs(hosted: readonly Part[], links: readonly Link[], parts: readonly Part[]) {
  const outputs: InboxOutputSpec[] = [];
  const routes: { readonly giver: string; readonly route: RouteSpec }[] = [];
  for (const { from, to, input, fanOut, triggers, route } of links) {
    const giver = hosted.find(({ name }) => name === from);
    if (giver === undefined) continue;
    // Look-ups of several slots share an output.
    let index = outputs.findIndex((each) => each.to === to && each.input === input);
    if (index < 0) {
      const { partitions } = partOf(parts, to);
      const promised = { ...giver.promises, ...(triggers && { triggers }) };
      index = outputs.push({ kind: "inbox", to, partitions, input, fanOut, ...promised }) - 1;
    }
    if (route !== undefined) {
      const laterKeys = keysBehind(links, to);
      const later = laterKeys.length > 0 && { laterKeys };
      routes.push({ giver: from, route: { output: index, ...route, ...later } });
    }
  }
  return { outputs, routes };
}

/** Keys that tasks make of the fields of a record that they pass on. */
function keysBehind(links: readonly Link[], name: string): string[][] {
  return links.flatMap(({ from, to, route }) => {
    if (from !== name || route === undefined) return [];
    const { key, through = [] } = route;
    const copies = [[...key], ...keysBehind(links, to)].map((fields) =>
      fields.flatMap((field) => copiedThrough(through, field) ?? []),
    );
    return copies.filter((fields) => fields.length > 0);
  });
}

function partOf(parts: readonly Part[], name: string): Part {
  const part = parts.find((each) => each.name === name);
  if (part === undefined) throw new RangeError(`nothing is named ${name}`);
  return part;
}

/** Who answers for the records of which source: whoever has them routed to it and counts. */
export function accounts(parts: readonly Part[]): AccountSpec[] {
  return parts.flatMap(({ links }) =>
    links.flatMap(({ from, route }) =>
      route === undefined || route.counted === null
        ? []
        : [{ branch: route.counted, source: from, partitions: partOf(parts, from).partitions }],
    ),
  );
}

/** Records that a step takes, and the field whose tasks they go to. */
interface Taken {
  readonly source: string;
  readonly through?: RouteSpec["through"];
  readonly keyField: string;
}

/** How records of a source come to tasks whose partition is that of a field. */
export function fanOutOf(
  { sources, steps }: Pick<Specs, "sources" | "steps">,
  { source, through = [], keyField }: Taken,
): "same" | "key" {
  const field = copiedThrough(through, keyField);
  const isThere =
    sources.some(
      (each) => each.topic === source && each.partitionField === field && !each.repartitioned,
    ) || steps.some((step) => nameOfStep(step) === source && passedBy(step)?.onceBy === field);
  return isThere ? "same" : "key";
}
