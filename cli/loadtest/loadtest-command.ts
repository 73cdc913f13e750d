import { readFileSync } from "node:fs";
import { Argument, type Command } from "commander";
import { durationMs, isDuration } from "../../schemas/duration.ts";
import { namedApplication } from "../application/find-application.ts";
import { type CommandLine, example, type Flags, looking, resolveLook } from "../command-line.ts";
import type { LoadtestRequest } from "../commands/loadtest.ts";

/** What can be loaded. */
export const loadNames = ["predict", "features", "ingest-http", "ingest-kafka"] as const;
export type LoadName = (typeof loadNames)[number];

/** Loads on an application that runs live. */
export function loadtestCommand(program: Command, line: CommandLine): void {
  looking(program.command("loadtest"))
    .description("Load an application that runs live, at a constant rate; exit 1 when it fails.")
    .addArgument(new Argument("<load>", "what is asked or sent").choices(loadNames))
    .argument("<name>", "predict: the scoring step; features: the view; ingest: the source topic")
    .argument("[application]", "module that exports it, .ts or .js (default: the data directory's)")
    .requiredOption(
      "--records <file>",
      "Records to send, or with the keys to read, one as JSON a line; taken in turn.",
    )
    .option(
      "--with <topic=file>",
      "ingest: also a record of this source each time, under the id of the first, e.g. its label.",
      (value: string, before: readonly string[] = []) => [...before, value],
    )
    .option("--rate <number>", "Requests a second.", "100")
    .option("--for <duration>", "How long, after the warm-up.", "30s")
    .option("--warm-up <duration>", "At first, so long, times do not count.", "5s")
    .option("--rows <number>", "Records or keys a request, up to 1000.", "1")
    .option(
      "--under-way <number>",
      "Requests that may be under way; what is due beyond is left out.",
      "256",
    )
    .option("--p99 <duration>", "Longest time of 99 of 100 requests; longer fails. (default: any)")
    .option("--dropped <share>", "Share of the requests that may be left out.", "0.01")
    .option("--gateway <url>", "The gateway.", "http://127.0.0.1:8080")
    .option("--key-file <file>", "File that holds an API key of the gateway alone.")
    .option("--answers-only", "Do not look for what was predicted in the offline store.")
    .addHelpText(
      "after",
      example(
        "millrace loadtest predict predictions --records payments.ndjson --rate 200 --live",
        "millrace loadtest features card_spending --records payments.ndjson --rows 50 --live",
        "millrace loadtest ingest-kafka payments --records payments.ndjson --with disputes=disputes.ndjson --stack local --live",
      ),
    )
    .action(async (load: LoadName, name: string, module: string | undefined, flags: Flags) => {
      const problems =
        module === undefined ? [] : [`${module}: this is no module: name a .ts or .js file`];
      const request = readRequest(load, name, flags, problems);
      const resolved = resolveLook(flags, { ...line, problems: [...line.problems, ...problems] });
      const application = namedApplication(line.application, resolved.config.data);
      const { loadtest } = await import("../commands/loadtest.ts");
      line.code = await loadtest(application, resolved, request, flags);
    });
}

/** @param problems - gets what is wrong with the flags. */
function readRequest(
  load: LoadName,
  name: string,
  flags: Flags,
  problems: string[],
): LoadtestRequest {
  const number = (flag: string, key: string, least: number, most: number, isWhole = true) => {
    const text = String(flags[key]);
    const value = Number(text);
    const fits = /^\d+(\.\d+)?$/.test(text) && (!isWhole || Number.isInteger(value));
    if (fits && value >= least && value <= most) return value;
    problems.push(`--${flag}: write a ${isWhole ? "whole " : ""}number from ${least} to ${most}`);
    return least;
  };
  const length = (flag: string, key: string) => {
    const text = String(flags[key]);
    if (isDuration(text) || (text === "0s" && flag === "warm-up")) {
      return text === "0s" ? 0 : durationMs(text);
    }
    problems.push(`--${flag}: ${JSON.stringify(text)}: write a number and a unit, like 30s`);
    return 1;
  };
  const beside = ((flags["with"] ?? []) as string[]).map((text) => {
    const [topic = "", ...file] = text.split("=");
    if (topic === "" || file.length === 0) problems.push(`--with: "${text}": write TOPIC=FILE`);
    return { topic, file: file.join("=") };
  });
  const sends = load === "ingest-http" || load === "ingest-kafka";
  if (beside.length > 0 && !sends) problems.push(`--with: ${load} sends nothing beside`);
  const url = String(flags["gateway"]);
  if (!/^https?:\/\/[^\s/]+\S*$/.test(url)) {
    problems.push(`--gateway: ${JSON.stringify(url)}: write a URL like http://127.0.0.1:8080`);
  }
  return {
    ...{ load, name, records: String(flags["records"]), beside },
    rate: number("rate", "rate", 0.01, 100_000, false),
    forMs: length("for", "for"),
    warmUpMs: length("warm-up", "warmUp"),
    rows: number("rows", "rows", 1, 1_000),
    most: number("under-way", "underWay", 1, 100_000),
    p99Ms: flags["p99"] === undefined ? null : length("p99", "p99"),
    dropped: number("dropped", "dropped", 0, 1, false),
    gateway: {
      url: url.endsWith("/") ? url.slice(0, -1) : url,
      key: keyOf(flags["keyFile"], problems),
    },
    readsBack: flags["answersOnly"] !== true,
  };
}

function keyOf(file: unknown, problems: string[]): string | null {
  if (file === undefined) return null;
  try {
    return readFileSync(String(file), "utf8").trim();
  } catch (error) {
    problems.push(`--key-file: ${(error as Error).message}`);
    return null;
  }
}
