#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { type ResolvedConfig, refuse, resolveConfig } from "../runtime/config.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { exitCodes, reportError } from "./exit.ts";
import { type LookArguments, readLookOptions } from "./look-options.ts";
import { addSettings, settingFlags } from "./settings-options.ts";
import { checkFlags } from "./unknown-flags.ts";

/** Runs the command line; the exit code is 0 done, 1 failed, 2 usage, 130 interrupted. */
export async function main(args: readonly string[]): Promise<number> {
  const line: CommandLine = { code: exitCodes.done, problems: [] };
  const program = commands(line);
  const checked = checkFlags(program, args);
  line.problems = checked.problems;
  // The value of an unknown flag would count as an argument: one error about it is enough.
  if (checked.problems.length > 0) checked.command.allowExcessArguments();
  try {
    await program.parseAsync([...checked.args], { from: "user" });
    return line.code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    }
    return reportError(error);
  }
}

/** What a command leaves and what is known before it begins. */
interface CommandLine {
  code: number;
  /** Unknown flags. */
  problems: readonly string[];
}

type Flags = Readonly<Record<string, unknown>>;

function version(): string {
  return JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;
}

function commands(line: CommandLine): Command {
  const program = new Command("millrace")
    .description("Real-time features and inference from event streams, demonstrated on flights.")
    .version(version(), "--version", "print the version")
    .showHelpAfterError("Add --help for what there is.")
    .exitOverride();
  runCommands(program, line);
  streamCommands(program, line);
  storeCommands(program, line);
  stackCommands(program, line);
  configCommand(program, line);
  projectCommands(program, line);
  return program;
}

const looks = () => import("./commands/look.ts");

/** The configuration of a command that reads flights: checked against the data, too. */
async function resolve(
  flags: Flags,
  kind: "run" | "replay",
  { problems }: CommandLine,
): Promise<ResolvedConfig> {
  const { checkFlightsConfig: check } = await import("../examples/flights/check-config.ts");
  return resolveConfig({ flags: settingFlags(flags, kind), problems, check });
}

function resolveLook(flags: Flags, { problems }: CommandLine): ResolvedConfig & LookArguments {
  const read = readLookOptions(flags);
  const all = [...problems, ...read.problems];
  return { ...read, ...resolveConfig({ flags: settingFlags(flags, "look"), problems: all }) };
}

function resolveLocal(flags: Flags, { problems }: CommandLine): ResolvedConfig {
  return resolveConfig({ flags: { ...settingFlags(flags, "stack"), stack: "local" }, problems });
}

function runCommands(program: Command, line: CommandLine): void {
  addSettings(program.command("run"), "run")
    .description("Replay flights through the topology and print the summary (npm start).")
    .addHelpText(
      "after",
      example(
        "millrace run --to 2001-01-08 --json summary.json",
        "millrace run --data /tmp/drift --to 2001-04-01 --inject shift-12h@2001-03-03",
      ),
    )
    .action(async (flags: Flags) => {
      const resolved = await resolve(flags, "run", line);
      line.code = await (await import("./commands/run.ts")).run(resolved);
    });

  addSettings(program.command("replay"), "replay")
    .description("Send the flights of a range to the source topics, and nothing else.")
    .option("--dry-run", "Print the flights a day in UTC and what would be sent; send nothing.")
    .addHelpText("after", example("millrace replay --dry-run --to 2001-02-01"))
    .action(async (flags: Flags) => {
      const resolved = await resolve(flags, "replay", line);
      const { replay } = await import("./commands/replay.ts");
      line.code = await replay(resolved, flags["dryRun"] === true);
    });
}

/** What is said about topics and the topology. */
function streamCommands(program: Command, line: CommandLine): void {
  looking(program.command("topics"))
    .description("Topics, partitions and how many offsets they hold.")
    .option("--count", "Also count committed records, by reading them.")
    .addHelpText("after", example("millrace topics --count"))
    .action(async (flags: Flags) => {
      const resolved = resolveLook(flags, line);
      line.code = await (await looks()).topics(resolved, flags);
    });

  looking(program.command("describe"), false)
    .description("The topology: sources, views, steps, tasks and topics.")
    .addHelpText("after", example("millrace describe"))
    .action(async (flags: Flags) => {
      refuse(line.problems);
      line.code = await (await looks()).describe(flags);
    });

  const letters = program.command("dead-letters").description("Records that were refused.");
  looking(letters.command("list"))
    .description("Records that were refused, and why.")
    .option("--limit <number>", "The first so many, by source, partition and offset.", "100")
    .option("--bytes <number>", "JSON: original bytes of each key and value, as base64.", "65536")
    .addHelpText(
      "after",
      example(
        "millrace dead-letters list --limit 10",
        "millrace dead-letters list --json | jq -r '.[0].valueBase64' | base64 -d > value.bin",
      ),
    )
    .action(async (flags: Flags) => {
      const resolved = resolveLook(flags, line);
      line.code = await (await looks()).deadLetters(resolved, resolved, flags);
    });
}

/** What is asked of the stores. */
function storeCommands(program: Command, line: CommandLine): void {
  const features = program.command("features").description("Features as they are served.");
  looking(features.command("get"))
    .description("Features of one entity, now or at an event time.")
    .argument("<view>", "feature view, e.g. origin_delays or origin_delays@1")
    .argument("<key...>", "values of its key fields, e.g. ORD, or ORD LAX for a route")
    .option(
      "--at <time>",
      "event time of the look-up, UTC (default: how far the view is; of a live run, now)",
    )
    .addHelpText(
      "after",
      example(
        "millrace features get origin_delays ORD",
        "millrace features get route_delays ORD LAX --at 2001-01-05T18:00",
      ),
    )
    .action(async (view: string, key: string[], flags: Flags) => {
      const resolved = resolveLook(flags, line);
      const request = { view, key, at: resolved.at };
      line.code = await (await looks()).features(resolved, request, flags);
    });

  looking(program.command("models"))
    .description("Model versions: trained on what, in force since when, and how good.")
    .addHelpText("after", example("millrace models"))
    .action(async (flags: Flags) => {
      const resolved = resolveLook(flags, line);
      line.code = await (await looks()).models(resolved, flags);
    });

  addSettings(program.command("sql"), "look")
    .description("One query of ClickHouse's SQL, read-only; the database is millrace.")
    .argument("<query>", "the statement")
    .option("--format <format>", "output format of ClickHouse", "PrettyCompactMonoBlock")
    .addHelpText(
      "after",
      example('millrace sql "SELECT count(), avg(probability) FROM millrace.predictions"'),
    )
    .action(async (query: string, flags: Flags & { format: string }) => {
      const resolved = resolveLook(flags, line);
      line.code = await (await looks()).sql(resolved, query, flags);
    });

  looking(program.command("verify"))
    .description("Recount everything from topics and ClickHouse; exit 1 when something is missing.")
    .option("--points <number>", "also recompute so many look-ups in SQL over the raw file", "0")
    .option("--reread", "also compute the run again from its sources and decisions, and compare")
    .addHelpText(
      "after",
      example(
        "millrace verify",
        "millrace verify --points 100000",
        "millrace verify --live --reread",
      ),
    )
    .action(async (flags: Flags) => {
      const resolved = resolveLook(flags, line);
      const { verify } = await import("./commands/verify.ts");
      line.code = await verify(resolved, resolved.points, flags);
    });
}

/** The servers of `--stack local`. */
function stackCommands(program: Command, line: CommandLine): void {
  const stack = program
    .command("stack")
    .description("Kafka, schema registry, Redis and ClickHouse (chDB) on this machine.");
  const part = (name: string, description: string) =>
    addSettings(stack.command(name), "stack")
      .description(description)
      .option("--json", "print JSON")
      .addHelpText("after", example(`millrace stack ${name}`));
  const act = () => import("./commands/stack.ts");
  part("up", "Start what is down of them; they stay up.").action(async (flags: Flags) => {
    line.code = await (await act()).stackUp(resolveLocal(flags, line), flags);
  });
  part("status", "Say what is up; exit 1 when something is down.").action(async (flags: Flags) => {
    line.code = await (await act()).stackStatus(resolveLocal(flags, line), flags);
  });
  part("down", "Stop them; their data stay.").action(async (flags: Flags) => {
    line.code = await (await act()).stackDown(resolveLocal(flags, line), flags);
  });
}

/** Takes every flag that a run takes, to show what it would come to. */
function configCommand(program: Command, line: CommandLine): void {
  addSettings(program.command("config"), "run")
    .description("The resulting configuration and where each value came from.")
    .addHelpText("after", example("MILLRACE_SEED=7 millrace config"))
    .action(async (flags: Flags) => {
      const resolved = await resolve(flags, "run", line);
      line.code = await (await looks()).config(resolved);
    });
}

/** What helps to write an application. */
function projectCommands(program: Command, line: CommandLine): void {
  program
    .command("generate")
    .description("TypeScript types and schemas from Avro contracts.")
    .argument("<files...>", "the contracts, .avsc; they may refer to each other")
    .option("--out <file>", "write this module (default: print it)")
    .option("--check", "write nothing; exit 1 when the module is not what the contracts say")
    .addHelpText(
      "after",
      example(
        "millrace generate schemas/*.avsc --out schemas/generated.ts",
        "millrace generate schemas/*.avsc --out schemas/generated.ts --check",
      ),
    )
    .action(async (files: string[], flags: Flags) => {
      refuse(line.problems);
      const { generate } = await import("./commands/generate.ts");
      line.code = generate(files, flags);
    });
}

function looking(command: Command, withSettings = true): Command {
  if (withSettings) addSettings(command, "look");
  return command.option("--json", "print JSON");
}

function example(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

// A reader that has seen enough (`| head`) ends the command quietly, before its end.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCodes.interrupted);
});

process.exitCode = await main(process.argv.slice(2));
