import { readFileSync } from "node:fs";
import type { SourceSpec } from "../../schemas/plan.ts";

/** A record as the file has it. */
export type Sample = Readonly<Record<string, unknown>>;

/**
 * The records of a file, one as JSON a line. Empty lines count for nothing.
 *
 * @param problems - gets what is wrong with it.
 */
export function readSamples(file: string, problems: string[]): Sample[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    problems.push(`--records: ${(error as Error).message}`);
    return [];
  }
  const samples: Sample[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const record = parsed(line);
    if (record === null) {
      problems.push(`--records: line ${index + 1} of ${file} is no JSON object`);
      return [];
    }
    samples.push(record);
  }
  if (samples.length === 0) problems.push(`--records: ${file} has no record`);
  return samples;
}

function parsed(line: string): Sample | null {
  try {
    const value: unknown = JSON.parse(line);
    const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
    return isRecord ? (value as Sample) : null;
  } catch {
    return null;
  }
}

/** Ids of one load: no other load has them, and one is known by its number. */
export interface LoadIds {
  readonly of: (index: number) => string | number;
  /** SQL: whether a column has one of them. */
  readonly test: (column: string) => string;
}

/**
 * @param beganAt - UTC ms.
 * @param most - how many there are at most: of loads one after the other, none has another's.
 */
export function loadIds(type: "long" | "string", beganAt: number, most: number): LoadIds {
  if (type === "string") {
    const prefix = `load-${beganAt.toString(36)}-`;
    return {
      of: (index) => `${prefix}${index}`,
      test: (column) => `startsWith(${column}, '${prefix}')`,
    };
  }
  const first = beganAt * 2_048;
  return {
    of: (index) => first + index,
    test: (column) => `${column} >= ${first} AND ${column} < ${first + most}`,
  };
}

/** The sample as a record of now: with the time of the source, and with an id, where it has one. */
export function stamped(
  sample: Sample,
  { timeField, recordTime }: Pick<SourceSpec, "timeField" | "recordTime">,
  id: { readonly field: string; readonly value: string | number } | null,
  nowMs: number,
): Sample {
  const timed = recordTime === true ? sample : withField(sample, timeField.split("."), nowMs);
  return id === null ? timed : withField(timed, id.field.split("."), id.value);
}

function withField(
  record: Sample,
  [name = "", ...path]: readonly string[],
  value: unknown,
): Sample {
  const inner = record[name];
  const isRecord = typeof inner === "object" && inner !== null;
  const set: unknown =
    path.length === 0 ? value : withField(isRecord ? (inner as Sample) : {}, path, value);
  return { ...record, [name]: set };
}
