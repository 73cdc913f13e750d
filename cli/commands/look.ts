import type { ResolvedConfig } from "../../runtime/config.ts";
import { jsonText, plainJson, plainLines, plainText } from "../../schemas/plain-text.ts";
import type {
  ColumnLine,
  DeadLetterRequest,
  FeatureAnswer,
  FeatureRequest,
  Inspector,
} from "../../serving/inspector.ts";
import { scanStatement } from "../../sinks/statement.ts";
import { exitCodes } from "../exit.ts";
import type { LookArguments } from "../look-options.ts";
import { modelTable } from "../model-table.ts";
import type { LoadedApplication } from "../run/claim.ts";
import { table } from "../table.ts";
import { writeBytes, writeOut } from "../write-out.ts";
import { refusingQuery } from "./query-refused.ts";

/** How answers are printed. */
export interface LookOptions {
  /** JSON instead of text. @default false */
  readonly json?: boolean;
}

/** A command line that is a look at an application's data. */
export interface Look extends ResolvedConfig {
  /** Null: nothing says which it is; a run that answers needs none. */
  readonly application: LoadedApplication | null;
}

/** Asks, prints the answer and closes. */
export async function look(
  resolved: Look,
  ask: (inspector: Inspector) => Promise<string | Buffer>,
): Promise<number> {
  const { openInspector } = await import("../inspect/open-inspector.ts");
  const inspector = await openInspector(resolved.application, resolved);
  try {
    const answer = await ask(inspector);
    if (typeof answer === "string") writeOut(answer);
    else writeBytes(answer);
    return exitCodes.done;
  } finally {
    await inspector.close();
  }
}

/** `millrace topics`. */
export function topics(
  resolved: Look,
  names: readonly string[],
  options: LookOptions & { readonly count?: boolean },
): Promise<number> {
  return look(resolved, async (inspector) => {
    const reports = await inspector.topics({ names, countRecords: options.count === true });
    if (options.json) return jsonText(reports);
    const number = (value: number) => value.toLocaleString("en-US");
    return table(
      ["topic", "role", "partitions", "offsets", ...(options.count ? ["records"] : [])],
      reports.map(({ name, role, partitions }) => [
        name,
        role,
        String(partitions.length),
        number(partitions.reduce((sum, { start, end }) => sum + end - start, 0)),
        ...(options.count
          ? [number(partitions.reduce((sum, { records }) => sum + (records ?? 0), 0))]
          : []),
      ]),
    );
  });
}

/** `millrace features get VIEW KEY… [--at TIME]`. */
export function features(
  resolved: Look,
  request: FeatureRequest,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const answer = await inspector.features(request);
    return options.json ? jsonText(answer) : featureText(answer);
  });
}

/** `millrace features list [VIEW]`. */
export function columns(
  resolved: Look,
  view: string | null,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const lines = await inspector.columns({ view });
    if (options.json) return jsonText(lines);
    if (lines.length === 0) return "There is no feature view.";
    return table(
      ["view", "feature", "complete since"],
      lines.map((line) => [line.view, line.name, sinceText(line)]),
    );
  });
}

function sinceText({ completeSince, filled }: Pick<ColumnLine, "completeSince" | "filled">) {
  if (!filled) return "is being filled";
  return completeSince === null ? "the beginning" : new Date(completeSince).toISOString();
}

/** A text that could be taken for none, or for something else, stands in quotes. */
export function shownValue(value: FeatureAnswer["features"][number]["value"]): string {
  if (value === null) return "-";
  if (typeof value !== "string") return String(value);
  const isPlain = value !== "" && value !== "-" && value === value.trim() && !value.includes('"');
  return plainText(isPlain ? value : JSON.stringify(value));
}

function featureText(answer: FeatureAnswer): string {
  const time = (instant: number | null) =>
    instant === null ? "never" : new Date(instant).toISOString();
  const { at, progress } = answer;
  const behind = at !== null && progress !== null && progress < at ? at - progress : 0;
  const lag = behind > 0 ? `; the view is ${(behind / 1000).toFixed(1)} s behind` : "";
  const head = `${answer.view} of ${answer.key} at ${time(at)}: ${answer.freshness}`;
  const lines = [`${head} (${answer.source}${lag})`];
  if (answer.asOf === null) return lines.join("\n");
  lines.push(
    `as of ${time(answer.asOf)}, valid until ${time(answer.validUntil)}, ` +
      `view at ${time(progress)}`,
    table(
      ["feature", "value"],
      answer.features.map(({ name, value }) => [name, shownValue(value)]),
    ),
    ...answer.features.flatMap(({ name, completeSince, filled }) => [
      ...(completeSince === null ? [] : [`${name} is complete since ${time(completeSince)}`]),
      ...(filled ? [] : [`${name} is being filled`]),
    ]),
  );
  return lines.join("\n");
}

/** `millrace dead-letters list`. */
export function deadLetters(
  resolved: Look,
  { limit, bytes }: DeadLetterRequest,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    if (options.json) return jsonText(await inspector.deadLetters({ limit, bytes }));
    const found = await inspector.deadLetters({ limit: limit + 1, bytes: 0 });
    if (found.length === 0) return "There are no dead letters.";
    const lines = found.slice(0, limit);
    const more = found.length > limit ? `\n\nThere are more: --limit ${limit * 10}.` : "";
    const shown = table(
      ["source", "partition", "offset", "step", "code", "bytes", "reason"],
      lines.map((line) => [
        line.source,
        String(line.partition),
        String(line.offset),
        line.step,
        line.code,
        line.valueBytes === null ? "-" : String(line.valueBytes),
        line.reason,
      ]),
    );
    return `${shown}${more}`;
  });
}

const noneTrained =
  "No model has been trained yet; of those that were registered tells millrace models history MODEL.";

/** `millrace models`. */
export function models(
  resolved: Look,
  names: readonly string[],
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const lines = await inspector.models({ names });
    if (options.json) return jsonText(lines);
    if (lines.length === 0) return noneTrained;
    return modelTable(lines);
  });
}

/** `millrace sql QUERY`. */
export function sql(
  resolved: Look & Pick<LookArguments, "topology">,
  query: string,
  options: LookOptions & { readonly format?: string },
): Promise<number> {
  const usual = options.json ? "JSON" : "PrettyCompactMonoBlock";
  const { topology } = resolved;
  const [first, ...others] = resolved.application?.spec.topologies ?? [];
  if (topology === null && first !== undefined && others.length > 0) {
    const known = others.map(({ name }) => name).join(", ");
    console.error(`The database is that of ${first.name}; --topology takes another: ${known}.`);
  }
  const format = options.format ?? usual;
  const shown = options.json ? plainJson : plainLines;
  return look(resolved, (inspector) =>
    refusingQuery("the query", async () => {
      const request = { query, format, topology };
      const asked = options.format ?? scanStatement(query).format;
      if (asked === null) return shown(await inspector.sql(request));
      // A format that somebody asks for, here or in the statement, comes as it is.
      return Buffer.from(await inspector.sqlBytes(request), "base64");
    }),
  );
}

/**
 * `millrace describe`: its topologies are in the module, so no run is asked but for what only one
 * knows, with `--grown`: since when columns that were added are complete.
 */
export async function describe(
  application: LoadedApplication,
  resolved: ResolvedConfig,
  options: LookOptions & { readonly grown?: boolean },
): Promise<number> {
  const plans = application.spec.topologies;
  const { describe: text } = await import("../../topologies/dsl/describe.ts");
  const told = options.json
    ? jsonText(plans.length === 1 ? plans[0] : plans)
    : plans.map(text).join("\n");
  if (options.grown !== true) {
    writeOut(told);
    return exitCodes.done;
  }
  return look({ ...resolved, application }, async (inspector) => {
    const all = await inspector.columns({ view: null });
    const grown = all.filter(({ completeSince, filled }) => completeSince !== null || !filled);
    if (options.json) return jsonText({ topologies: plans, grown });
    const lines = grown.map(
      (each) =>
        `  ${each.view} ${each.name}: ${each.filled ? "complete since " : ""}${sinceText(each)}`,
    );
    const heading = lines.length > 0 ? "columns that were added" : "no column was added";
    return `${[told.trimEnd(), "", heading, ...lines].join("\n")}\n`;
  });
}

/** `millrace config`: of the run that is going on, else of this command line. */
export async function config(resolved: ResolvedConfig, options: LookOptions): Promise<number> {
  const { connectInspector } = await import("../inspect/socket-client.ts");
  const { configLines } = await import("../inspect/open-inspector.ts");
  const remote = await connectInspector(resolved.config.data);
  const lines = remote === null ? configLines(resolved) : await remote.config({});
  await remote?.close();
  const rows = lines.map(({ name, value, origin }) => [name, value, origin]);
  writeOut(options.json ? jsonText(lines) : table(["setting", "value", "from"], rows));
  return exitCodes.done;
}
