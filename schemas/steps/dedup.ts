import type { RouteSpec } from "../route.ts";
import type { RowLayout } from "../row-layout.ts";
import type { TransformSpec } from "../transforms/through.ts";
import type { StepFacts } from "./step-facts.ts";

/** Records of a stream, without those that come again. */
export interface DedupSpec {
  readonly name: string;
  readonly source: string;
  /** What the records go through first. @default nothing */
  readonly through?: readonly TransformSpec[];
  /** The field that tells them apart, and names the partition of what is passed on. */
  readonly partitionField: string;
  /** Event time between two records of a value that are not taken for one. */
  readonly withinMs: number;
  /** How far behind its knownAt the event time of a record may be. */
  readonly latenessMs: number;
  readonly layout: RowLayout;
}

export interface DedupOperator {
  readonly dedup: DedupSpec;
  readonly routes: readonly RouteSpec[];
}

export const dedup: StepFacts<DedupSpec, DedupOperator> = {
  nameOf: ({ name }) => name,
  free: [],
  growth: null,
  passes: ({ source, through = [], partitionField }) => ({
    ...{ source, through },
    onceBy: partitionField,
  }),
  gives: {},
  sqlGap: "which of the records of a value came first stands in no topic",
};
