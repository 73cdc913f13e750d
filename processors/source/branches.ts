import type { Condition } from "../../schemas/expression.ts";
import {
  type AggregateInput,
  aggregateInputs,
  entityKey,
  viewId,
} from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { type BranchSpec, type Plan, type Subtopology, stepsOf } from "../../schemas/plan.ts";
import { numberOf, readInput, truthOf } from "../aggregate/read-input.ts";
import type { Outbox } from "../processor.ts";

/** A decoded record of the source, with the time it is known at and its place. */
export interface StampedRecord {
  fields: Readonly<Record<string, unknown>>;
  eventTime: number;
  knownAt: number;
  offset: number;
}

/** What a source task does with each accepted record for one branch: writes one payload. */
export interface Branch {
  /** The step that counts the record; null for look-ups, which their trigger counts. */
  readonly counted: string | null;
  write(record: StampedRecord, out: Outbox): void;
}

/**
 * The branches of a source subtopology, in the order in which they write.
 *
 * @throws {RangeError} when the plan lacks a step that a branch names.
 */
export function makeBranches(plan: Plan, subtopology: Subtopology): Branch[] {
  return subtopology.branches.map((branch) => {
    const output = subtopology.outputs[branch.output];
    if (output?.kind !== "inbox") throw new RangeError(`${subtopology.name}: no inbox output`);
    const target = plan.subtopologies.find(({ name }) => name === output.to);
    return makeBranch(plan, branch, target?.partitions ?? plan.partitions);
  });
}

function makeBranch(plan: Plan, branch: BranchSpec, partitions: number): Branch {
  const { output } = branch;
  switch (branch.kind) {
    case "update": {
      const view = found(
        stepsOf(plan, "view").find((each) => viewId(each) === branch.view),
        branch.view,
      );
      const { inputs } = aggregateInputs(view.aggregates);
      return new UpdateBranch(output, partitions, branch.view, view.keyFields, inputs);
    }
    case "lookup": {
      const scoring = found(stepsOf(plan, "scoring").find(byName(branch.scoring)), branch.scoring);
      const lookup = found(scoring.lookups[branch.slot], `${branch.scoring}[${branch.slot}]`);
      return new LookupBranch(output, partitions, branch.slot, lookup.keyFields, scoring.keyField);
    }
    case "trigger": {
      const scoring = found(stepsOf(plan, "scoring").find(byName(branch.scoring)), branch.scoring);
      const fields = scoring.request.map(({ field }) => field);
      return new TriggerBranch(output, partitions, branch.scoring, scoring.keyField, fields);
    }
    case "label": {
      const label = found(stepsOf(plan, "label").find(byName(branch.labels)), branch.labels);
      return new LabelBranch(output, partitions, branch.labels, label.keyField, label.label);
    }
  }
}

/** Payload: text entityKey, f64 eventTime, n × f64 aggregate inputs. */
class UpdateBranch implements Branch {
  readonly counted: string;
  readonly #output: number;
  readonly #partitions: number;
  readonly #key: EntityKeyReader;
  readonly #inputs: readonly AggregateInput[];

  constructor(
    output: number,
    partitions: number,
    view: string,
    keyFields: readonly string[],
    inputs: readonly AggregateInput[],
  ) {
    this.#output = output;
    this.#partitions = partitions;
    this.counted = view;
    this.#key = new EntityKeyReader(keyFields);
    this.#inputs = inputs;
  }

  write(record: StampedRecord, out: Outbox): void {
    const key = this.#key.read(record.fields);
    const payload = out.begin(this.#output, partitionOf(key, this.#partitions), record.knownAt);
    payload.text(key);
    payload.f64(record.eventTime);
    for (const input of this.#inputs) payload.f64(readInput(input, record.fields));
    out.end();
  }
}

/** Payload: text entityKey, u8 slot, text id. */
class LookupBranch implements Branch {
  readonly counted = null;
  readonly #output: number;
  readonly #partitions: number;
  readonly #slot: number;
  readonly #key: EntityKeyReader;
  readonly #idField: string;

  constructor(
    output: number,
    partitions: number,
    slot: number,
    keyFields: readonly string[],
    idField: string,
  ) {
    this.#output = output;
    this.#partitions = partitions;
    this.#slot = slot;
    this.#key = new EntityKeyReader(keyFields);
    this.#idField = idField;
  }

  write(record: StampedRecord, out: Outbox): void {
    const key = this.#key.read(record.fields);
    const payload = out.begin(this.#output, partitionOf(key, this.#partitions), record.knownAt);
    payload.text(key);
    payload.u8(this.#slot);
    payload.text(String(record.fields[this.#idField]));
    out.end();
  }
}

/** Payload: text id, f64 eventTime, f64 source offset, m × f64 request features. */
class TriggerBranch implements Branch {
  readonly counted: string;
  readonly #output: number;
  readonly #partitions: number;
  readonly #idField: string;
  readonly #fields: readonly string[];

  constructor(
    output: number,
    partitions: number,
    scoring: string,
    idField: string,
    fields: readonly string[],
  ) {
    this.#output = output;
    this.#partitions = partitions;
    this.counted = scoring;
    this.#idField = idField;
    this.#fields = fields;
  }

  write(record: StampedRecord, out: Outbox): void {
    const id = String(record.fields[this.#idField]);
    const payload = out.begin(this.#output, partitionOf(id, this.#partitions), record.knownAt);
    payload.text(id);
    payload.f64(record.eventTime);
    payload.f64(record.offset);
    for (const field of this.#fields) payload.f64(numberOf(record.fields[field]));
    out.end();
  }
}

/** Payload: text id, f64 eventTime, f64 label. */
class LabelBranch implements Branch {
  readonly counted: string;
  readonly #output: number;
  readonly #partitions: number;
  readonly #idField: string;
  readonly #label: Condition;

  constructor(
    output: number,
    partitions: number,
    labels: string,
    idField: string,
    label: Condition,
  ) {
    this.#output = output;
    this.#partitions = partitions;
    this.counted = labels;
    this.#idField = idField;
    this.#label = label;
  }

  write(record: StampedRecord, out: Outbox): void {
    const id = String(record.fields[this.#idField]);
    const payload = out.begin(this.#output, partitionOf(id, this.#partitions), record.knownAt);
    payload.text(id);
    payload.f64(record.eventTime);
    payload.f64(truthOf(this.#label, record.fields));
    out.end();
  }
}

/** Reads entity keys off records with one array for all of them. */
class EntityKeyReader {
  readonly #fields: readonly string[];
  readonly #values: unknown[];

  constructor(fields: readonly string[]) {
    this.#fields = fields;
    this.#values = fields.map(() => null);
  }

  read(record: Readonly<Record<string, unknown>>): string {
    for (let i = 0; i < this.#fields.length; i++) {
      this.#values[i] = record[this.#fields[i] as string];
    }
    return entityKey(this.#values);
  }
}

function byName(name: string): (each: { readonly name: string }) => boolean {
  return (each) => each.name === name;
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new RangeError(`the plan has no ${name}`);
  return value;
}
