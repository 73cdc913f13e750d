import { createHash } from "node:crypto";
import { type FeatureViewSpec, viewId } from "./feature-view.ts";
import {
  type InboxOutputSpec,
  type Plan,
  readsSource,
  type StepSpec,
  type Subtopology,
  type TopicSpec,
} from "./plan.ts";
import { viewNamed } from "./plan-facts.ts";
import { canonical } from "./plan-parts.ts";
import { givenBy, growthOf } from "./steps/steps.ts";
import { topicText, watermarksTopic } from "./topic-names.ts";

/**
 * A plan that has grown runs as several: what stood goes on as it was, and each view that came
 * later is a strand, a plan of its own over the same source, with groups, state and topics of its
 * own below the name of the topology. Tables and keys are those of the topology.
 */

/** Roles of topics that each strand has for itself. */
const own: ReadonlySet<TopicSpec["role"]> = new Set([
  ...(["inbox", "changelog", "rows", "late", "dead-letters", "decisions", "plan"] as const),
]);

/** Name of the strand of a view: no topology is called so, for no name has a dot. */
export function strandName(topology: string, view: string, layout = 1): string {
  return `${topology}.${topicText(view)}${layout === 1 ? "" : `.l${layout}`}`;
}

/** The view and the layout that a strand of a topology has; null: it is no name of one. */
export function viewOfStrand(
  topology: string,
  strand: string,
): { readonly view: string; readonly layout: number } | null {
  if (!strand.startsWith(`${topology}.`)) return null;
  const [, name, version, layout = "1"] =
    /^(\w+)\.v(\d+)(?:\.l(\d+))?$/.exec(strand.slice(topology.length + 1)) ?? [];
  return name === undefined ? null : { view: `${name}@${version}`, layout: Number(layout) };
}

/** Whether a view is fed by a source, so that it can be filled from the beginning. */
export function isOverSource(plan: Pick<Plan, "sources">, view: FeatureViewSpec): boolean {
  return plan.sources.some(({ topic }) => topic === view.source);
}

/** Whether a view that is new can be a strand: fed by a source, and looked up by no step. */
export function canBeStrand(plan: Plan, view: string): boolean {
  const tasks = plan.subtopologies.find(({ name }) => name === view);
  const from = tasks?.inputs.map((input) => input.from) ?? [];
  return from.length === 1 && plan.sources.some(({ topic }) => topic === from[0]);
}

/** What is left of a plan without some of its views, which {@link canBeStrand}. */
export function withoutViews(plan: Plan, views: ReadonlySet<string>): Plan {
  const left = plan.subtopologies
    .filter(({ name }) => !views.has(name))
    .map((each) => sendingTo(each, ({ to }) => !views.has(to)))
    .filter(({ operator }) => !readsSource(operator) || operator.spec.routes.length > 0);
  const names = new Set(left.map(({ name }) => name));
  const gone = plan.subtopologies.filter(({ name }) => !names.has(name));
  const topics = new Set(gone.flatMap(topicsOf));
  const sources = plan.sources.filter(({ topic }) => names.has(topic));
  for (const { topic } of plan.sources) {
    if (!names.has(topic)) topics.add(topic).add(watermarksTopic(plan.name, topic));
  }
  return finished({
    ...plan,
    sources,
    steps: plan.steps.filter((step) => !views.has(idOfView(step) ?? "")),
    accounts: plan.accounts.filter(({ branch }) => !views.has(branch)),
    stored: plan.stored.filter(({ topic }) => !topics.has(topic)),
    subtopologies: left,
    topics: plan.topics.filter(({ name }) => !topics.has(name)),
  });
}

/**
 * One view of a plan, which {@link isOverSource}, as a plan of its own; what other steps look up of
 * it they go on asking of what stands.
 */
export function strandOf(plan: Plan, view: string): Plan {
  const spec = viewNamed(plan, view);
  const name = strandName(plan.name, view, spec?.layout);
  const renamed = (topic: string) =>
    topic.startsWith(`${plan.name}.`) ? `${name}${topic.slice(plan.name.length)}` : topic;
  const tasks = plan.subtopologies.find((each) => each.name === view);
  const source = spec?.source;
  const updates = tasks?.inputs.filter(({ role }) => role === "update") ?? [];
  const kept = plan.subtopologies
    .filter((each) => each === tasks || each.name === source)
    .map((each) =>
      sendingTo(
        each === tasks ? { ...each, inputs: updates } : each,
        ({ to, input }) => to === view && updates.some((update) => update.name === input),
      ),
    );
  const topics = new Set(kept.flatMap(topicsOf));
  const sources = source === undefined ? [] : [source, watermarksTopic(plan.name, source)];
  return finished({
    ...plan,
    name,
    topology: plan.name,
    sources: plan.sources.filter(({ topic }) => topic === source),
    steps: plan.steps.filter((step) => idOfView(step) === view),
    accounts: plan.accounts.filter(({ branch }) => branch === view),
    stored: plan.stored
      .filter(({ topic }) => topics.has(topic))
      .map((each) => ({ ...each, topic: renamed(each.topic) })),
    subtopologies: kept.map((each) => ({
      ...each,
      inbox: readsSource(each.operator) ? each.inbox : renamed(each.inbox),
      changelog: renamed(each.changelog),
      outputs: each.outputs.map((output) =>
        output.kind === "inbox" ? output : { ...output, topic: renamed(output.topic) },
      ),
    })),
    topics: plan.topics.flatMap((topic) => {
      const common = !["inbox", "changelog", "rows"].includes(topic.role);
      if (own.has(topic.role)) {
        return common || topics.has(topic.name) ? [{ ...topic, name: renamed(topic.name) }] : [];
      }
      return sources.includes(topic.name) ? [topic] : [];
    }),
  });
}

/** Of the view that a step keeps; null: it keeps none. */
function idOfView(step: StepSpec): string | null {
  const view = givenBy(step, "features");
  return view === null ? null : viewId(view);
}

function topicsOf({ operator, inbox, changelog, outputs }: Subtopology): string[] {
  const written = outputs.flatMap((output) => (output.kind === "inbox" ? [] : [output.topic]));
  return [...(readsSource(operator) ? [] : [inbox]), changelog, ...written];
}

/** A subtopology that sends to some of those it sent to; routes go by the index of an output. */
function sendingTo(
  subtopology: Subtopology,
  isKept: (output: InboxOutputSpec) => boolean,
): Subtopology {
  const kept = subtopology.outputs.map((each) => each.kind !== "inbox" || isKept(each));
  if (kept.every(Boolean)) return subtopology;
  const { operator } = subtopology;
  // What grows finds its outputs by what they are.
  if (!readsSource(operator) && growthOf(operator.kind) !== null)
    return { ...subtopology, outputs: subtopology.outputs.filter((_, index) => kept[index]) };
  if (!readsSource(operator)) throw new RangeError(`${subtopology.name} feeds a strand`);
  const indexes = kept.map((_, index) => kept.slice(0, index).filter(Boolean).length);
  const routes = operator.spec.routes
    .filter(({ output }) => kept[output])
    .map((route) => ({ ...route, output: indexes[route.output] ?? 0 }));
  return {
    ...subtopology,
    operator: { kind: "source", spec: { ...operator.spec, routes } },
    outputs: subtopology.outputs.filter((_, index) => kept[index]),
  };
}

function finished(plan: Plan): Plan {
  const { fingerprint: _, ...rest } = plan;
  const fingerprint = createHash("sha256").update(canonical(rest)).digest("hex");
  return Object.freeze({ ...rest, fingerprint });
}
