import type { FormatSpec } from "../../schemas/formats/formats.ts";
import type { StepKind } from "../../schemas/plan.ts";
import type { RowLayout } from "../../schemas/row-layout.ts";
import type { SourceTime } from "../../schemas/source-time.ts";
import type { SubjectNaming } from "../../schemas/subjects.ts";
import type { TransformSpec } from "../../schemas/transforms/through.ts";

/**
 * What the verbs of the DSL collect: plain data, unchecked, with durations as written. `topology`
 * checks all of it together and compiles it to a plan; nothing else reads it.
 */
export interface SourceDefinition {
  readonly topic: string;
  readonly format: FormatSpec;
  readonly subjects: SubjectNaming;
  readonly time: SourceTime;
  readonly lateness: string;
  readonly maxJump: string;
  readonly partitionField: string;
  readonly repartitioned: boolean;
}

/** Records on their way from a source or a step to another step. */
export interface StreamDefinition {
  /** Source topic, or that of the step, for messages. */
  readonly topic: string;
  /** What yields the records. */
  readonly origin: SourceDefinition | Need;
  readonly lateness: string;
  /** Of the records as they are yielded. */
  readonly yielded: RowLayout;
  /** Of the records as they come out of what they go through. */
  readonly layout: RowLayout;
  readonly through: readonly TransformSpec[];
  /** The field that tells records apart; null where a `select` left it out. */
  readonly idField: string | null;
}

/** A step that another one is built on. */
export interface Need {
  readonly kind: StepKind;
  readonly definition: object;
  readonly name: string;
  /** Topic that it writes, where the topology has to name it. @default it has a name */
  readonly topic?: string;
}

export interface StoreRole {
  readonly role: "online" | "offline";
}

/** A step that `topology` takes: its kind is one of `kinds.ts`, which says what defines it. */
export interface Step {
  readonly kind: StepKind;
  readonly definition: object;
}
