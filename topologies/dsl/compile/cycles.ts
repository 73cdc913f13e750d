import type { InboxOutputSpec, Subtopology } from "../../../schemas/plan.ts";
import type { Problems } from "./problems.ts";

/**
 * Checks that no task can wait for itself: every cycle of subtopologies has an input that is only
 * read, and an output with a look-ahead. The first lets the loop's records pass (no output waits
 * for itself), the second lets its progress grow.
 */
export function checkCycles(problems: Problems, subtopologies: readonly Subtopology[]): void {
  const waiting = findCycle(handOvers(subtopologies));
  problems.check(
    waiting === null,
    "cycle",
    `${waiting?.join(" → ")} waits for itself: one of its inputs must only be read`,
  );
  const standing = findCycle(steps(subtopologies));
  problems.check(
    standing === null,
    "cycle",
    `${standing?.join(" → ")} has no look-ahead: its progress would stand still`,
  );
}

type Graph = ReadonlyMap<string, readonly string[]>;

function inboxOutputs({ outputs }: Subtopology): readonly InboxOutputSpec[] {
  return outputs.filter((output) => output.kind === "inbox");
}

/** An edge from an output to each output that its records may trigger. */
function handOvers(subtopologies: readonly Subtopology[]): Graph {
  const label = (from: string, output: InboxOutputSpec) => `${from} (${output.to}.${output.input})`;
  const graph = new Map<string, string[]>();
  for (const { name, ...rest } of subtopologies) {
    for (const output of inboxOutputs({ name, ...rest })) {
      const target = subtopologies.find((each) => each.name === output.to);
      const next = target === undefined ? [] : inboxOutputs(target);
      graph.set(
        label(name, output),
        next
          .filter((each) => each.triggers.includes(output.input))
          .map((each) => label(output.to, each)),
      );
    }
  }
  return graph;
}

/** An edge from a subtopology to each that it feeds without look-ahead. */
function steps(subtopologies: readonly Subtopology[]): Graph {
  return new Map(
    subtopologies.map((each) => [
      each.name,
      inboxOutputs(each)
        .filter((output) => output.lookAheadMs === 0)
        .map((output) => output.to),
    ]),
  );
}

/** Nodes of a cycle, the first one repeated at the end; null when there is none. */
function findCycle(graph: Graph): readonly string[] | null {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): readonly string[] | null => {
    const at = path.indexOf(node);
    if (at >= 0) return [...path.slice(at), node];
    if (done.has(node)) return null;
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle !== null) return cycle;
    }
    path.pop();
    done.add(node);
    return null;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node);
    if (cycle !== null) return cycle;
  }
  return null;
}
