import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Argument, Command, CommanderError, Option } from "commander";
import { refuse } from "../runtime/config.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { jsonText } from "../schemas/plain-text.ts";
import { findApplication, namedApplication } from "./application/find-application.ts";
import { isModulePath } from "./application/load-application.ts";
import {
  type CommandLine,
  example,
  type Flags,
  looking,
  moduleDoc,
  ownFirst,
  ownSettings,
  refuseModule,
  resolve,
  resolveLocal,
  resolveLook,
} from "./command-line.ts";
import { exitCodes, reportError } from "./exit.ts";
import { loadtestCommand } from "./loadtest/loadtest-command.ts";
import { modelCommands } from "./model-commands.ts";
import { feastCommand, serveCommands } from "./serve/serve-commands.ts";
import { addSettings } from "./settings-options.ts";
import { checkFlags } from "./unknown-flags.ts";
import { writeOut } from "./write-out.ts";

/** Runs the command line; the exit code is 0 done, 1 failed, 2 usage, 130 interrupted. */
export async function main(args: readonly string[]): Promise<number> {
  const line: CommandLine = { code: exitCodes.done, problems: [], application: null };
  const asJson = args.includes("--json");
  try {
    const found = await findApplication(commands(line), args);
    line.application = found.application;
    const program = commands(line);
    if (asJson) sayAsJson(program);
    const checked = checkFlags(program, found.args);
    line.problems = checked.problems;
    // The value of an unknown flag would count as an argument: one error about it is enough.
    if (checked.problems.length > 0) checked.command.allowExcessArguments();
    await program.parseAsync([...checked.args], { from: "user" });
    return line.code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    }
    return reportError(error, asJson);
  }
}

/** What the parser says is wrong, as JSON; without the hint at the help. */
function sayAsJson(command: Command): void {
  command.showHelpAfterError(false).configureOutput({
    outputError: (text) => {
      const message = text.trim().replace(/^error: /, "");
      console.error(jsonText({ error: { code: "USAGE", message, causes: [] } }));
    },
  });
  for (const each of command.commands) sayAsJson(each);
}

function version(): string {
  return JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;
}

function commands(line: CommandLine): Command {
  const program = new Command("millrace")
    .description("Real-time features and inference from event streams.")
    .version(version(), "--version", "print the version")
    .showHelpAfterError("Add --help for what there is.")
    // Else what stands behind a command's name could be taken for an option of the one above it.
    .enablePositionalOptions()
    .configureHelp({ groupItems: ownFirst })
    .exitOverride();
  runCommands(program, line);
  serveCommands(program, line);
  loadtestCommand(program, line);
  streamCommands(program, line);
  storeCommands(program, line);
  stackCommands(program, line);
  configCommand(program, line);
  completionCommand(program, line);
  projectCommands(program, line);
  return program;
}

const looks = () => import("./commands/look.ts");

function runCommands(program: Command, line: CommandLine): void {
  const named = () => namedApplication(line.application, "the data directory");
  addSettings(program.command("run"), "run", ownSettings(line))
    .description("Run an application: replay it, or with --live take records as they come.")
    .argument("[application]", moduleDoc)
    .addHelpText(
      "after",
      example(
        "millrace run app.ts",
        "millrace run app.ts --live --for 10m --summary summary.json",
        "millrace run app.ts --help        (with the flags of the application)",
      ),
    )
    .action(async (module: string | undefined, flags: Flags) => {
      refuseModule(line, module);
      const resolved = resolve(flags, "run", line);
      line.code = await (await import("./commands/run.ts")).run(named(), resolved);
    });

  addSettings(program.command("replay"), "replay", ownSettings(line))
    .description("Send what an application's feeder replays, and nothing else.")
    .argument("[application]", moduleDoc)
    .option("--dry-run", "Say what would be sent; send nothing.")
    .addHelpText("after", example("millrace replay app.ts --dry-run"))
    .action(async (module: string | undefined, flags: Flags) => {
      refuseModule(line, module);
      const resolved = resolve(flags, "replay", line);
      const { replay } = await import("./commands/replay.ts");
      line.code = await replay(named(), resolved, flags["dryRun"] === true);
    });
}

/** What is said about topics and the topology. */
function streamCommands(program: Command, line: CommandLine): void {
  looking(program.command("topics"))
    .description("Topics, partitions and how many offsets they hold.")
    .argument("[topic...]", "those alone")
    .option("--count", "Also count committed records, by reading them.")
    .addHelpText("after", example("millrace topics --count"))
    .action(async (names: string[], flags: Flags) => {
      const resolved = resolveLook(flags, line);
      line.code = await (await looks()).topics(resolved, names, flags);
    });

  addSettings(program.command("describe"), "look")
    .description("The topologies: sources, views, steps, tasks and topics.")
    .argument("[application]", moduleDoc)
    .option("--json", "print JSON")
    .option("--grown", "Also since when columns that were added to what runs are complete.")
    .addHelpText("after", example("millrace describe app.ts", "millrace describe app.ts --grown"))
    .action(async (module: string | undefined, flags: Flags) => {
      refuseModule(line, module);
      const resolved = resolveLook(flags, line);
      const application = namedApplication(line.application, resolved.config.data);
      line.code = await (await looks()).describe(application, resolved, flags);
    });

  addSettings(program.command("diff"), "look")
    .description("What a start would change of what runs, or between two modules; exit 1: refused.")
    .argument("[old]", "module that exports the application; with another: the one before it")
    .argument(
      "[new]",
      "module with what it becomes (default: old is it, and is held against what runs)",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      example("millrace diff app.ts", "millrace diff app-v1.ts app-v2.ts --json"),
    )
    .action(async (module: string | undefined, other: string | undefined, flags: Flags) => {
      refuseModule(line, module !== undefined && !isModulePath(module) ? module : other);
      const resolved = resolveLook(flags, line);
      const application = namedApplication(line.application, resolved.config.data);
      const { diff } = await import("./commands/diff.ts");
      line.code = await diff(application, module ?? null, resolved.config, flags);
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
    .argument("<view>", "feature view, e.g. card_spending or card_spending@1")
    .argument("<key...>", "values of its key fields, in their order")
    .option(
      "--at <time>",
      "event time of the look-up, UTC (default: how far the view is; of a live run, now)",
    )
    .option("--topology <name>", "whose view, where several topologies have one of its name")
    .addHelpText(
      "after",
      example(
        "millrace features get card_spending 4711",
        "millrace features get card_spending 4711 --at 2026-01-05T18:00",
      ),
    )
    .action(async (view: string, key: string[], flags: Flags) => {
      const resolved = resolveLook(flags, line);
      const request = { view, key, at: resolved.at, topology: resolved.topology };
      line.code = await (await looks()).features(resolved, request, flags);
    });

  looking(features.command("list"))
    .description("The features of a view, or of all, and since when each is complete.")
    .argument("[view]", "that one alone, e.g. card_spending or card_spending@1")
    .addHelpText("after", example("millrace features list card_spending"))
    .action(async (view: string | undefined, flags: Flags) => {
      const resolved = resolveLook(flags, line);
      line.code = await (await looks()).columns(resolved, view ?? null, flags);
    });

  feastCommand(features, line);

  modelCommands(program, {
    ...{ looking, example },
    resolve: (flags, problems = []) =>
      resolveLook(flags, { ...line, problems: [...line.problems, ...problems] }),
    ended: (code) => Object.assign(line, { code }),
  });

  scoreCommand(program, line);
  looking(program.command("sql"))
    .description("One query of ClickHouse's SQL, read-only, in the database of the topology.")
    .argument("<query>", "the statement")
    .option("--topology <name>", "whose database (default: of the application's first topology)")
    .option("--format <format>", "output format of ClickHouse (default: PrettyCompactMonoBlock)")
    .addHelpText(
      "after",
      example('millrace sql "SELECT count(), avg(probability) FROM predictions"'),
    )
    .action(async (query: string, flags: Flags) => {
      const resolved = resolveLook(flags, line);
      line.code = await (await looks()).sql(resolved, query, flags);
    });

  addSettings(program.command("verify"), "verify", ownSettings(line))
    .description("Recount everything from topics and ClickHouse; exit 1 when something is missing.")
    .option("--reread", "also compute the run again from its sources and decisions, and compare")
    .option("--json", "print JSON")
    .addHelpText("after", example("millrace verify", "millrace verify --live --reread"))
    .action(async (flags: Flags) => {
      const resolved = resolveLook(flags, line, "verify");
      const { verify } = await import("./commands/verify.ts");
      line.code = await verify(line.application, resolved, flags);
    });
}

/** Scoring of rows that stand in the offline store. */
function scoreCommand(program: Command, line: CommandLine): void {
  looking(program.command("score"))
    .description("Score rows of a query or a Parquet file; goes on where it was cut off.")
    .requiredOption("--model <model>", "its name (the champion), NAME@ALIAS or NAME#VERSION")
    .option("--query <sql>", "one SELECT that has the features of the step by their names")
    .option("--into <table>", "table of the topology's database; made if it is not there")
    .option("--input <file>", "Parquet on this machine, with the features; in place of --query")
    .option("--output <file>", "Parquet: the same rows, scored; in place of --into")
    .option("--page-rows <rows>", "rows that are scored and stored at a time", "50000")
    .option("--topology <name>", "whose model, where several topologies have it")
    .addHelpText(
      "after",
      example(
        'millrace score --model fraud --query "SELECT * FROM predictions" --into rescored',
        'millrace score --model fraud#r2 --query "SELECT * FROM june" --into june_by_r2 --json',
        "millrace score --model fraud@champion --input june.parquet --output scored.parquet",
      ),
    )
    .action(async (flags: Flags) => {
      const { score, scoreFile, namedVersion } = await import("./commands/score.ts");
      const named = namedVersion(String(flags["model"]));
      const pageRows = Number(flags["pageRows"]);
      const problems = [
        ...(named === null ? ["--model: write NAME, NAME@ALIAS or NAME#VERSION"] : []),
        ...fromAndTo(flags),
        ...(Number.isInteger(pageRows) && pageRows >= 1 && pageRows <= 500_000
          ? []
          : ["--page-rows: write a whole number from 1 to 500000"]),
      ];
      const resolved = resolveLook(flags, { ...line, problems: [...line.problems, ...problems] });
      const { topology } = resolved;
      const request = {
        ...{ model: named?.model ?? "", version: named?.version ?? null, topology, pageRows },
        alias: named?.alias ?? null,
      };
      const { query, into, input, output } = flags;
      line.code =
        input === undefined
          ? await score(resolved, { ...request, query: String(query), into: String(into) }, flags)
          : await scoreFile(
              resolved,
              { ...request, input: String(input), output: String(output) },
              flags,
            );
    });
}

/** Rows come of a query and go into a table, or of a file into a file. */
function fromAndTo(flags: Flags): string[] {
  const given = ["query", "into", "input", "output"].filter((name) => flags[name] !== undefined);
  const isOne = ["query,into", "input,output"].includes(given.join(","));
  return isOne ? [] : ["score: give --query with --into, or --input with --output"];
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
      .addOption(new Option("--stack <local>", "As other commands name it.").choices(["local"]))
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

/** Completion of what this program takes, for a shell to read. */
function completionCommand(program: Command, line: CommandLine): void {
  program
    .command("completion")
    .description("Completion of commands, flags and their words for a shell.")
    .addArgument(new Argument("<shell>", "whose").choices(["bash", "zsh"]))
    .addHelpText(
      "after",
      example(
        "source <(millrace completion bash)",
        "millrace completion zsh > ~/.zfunc/_millrace      (~/.zfunc is in fpath)",
      ),
    )
    .action(async (shell: string) => {
      refuse(line.problems);
      const { bashCompletion, zshCompletion } = await import("./commands/completion.ts");
      writeOut(shell === "bash" ? bashCompletion(program) : zshCompletion(program));
    });
}

/** Takes every flag that a run takes, to show what it would come to. */
function configCommand(program: Command, line: CommandLine): void {
  addSettings(program.command("config"), "run", ownSettings(line))
    .description("The resulting configuration and where each value came from.")
    .argument("[application]", moduleDoc)
    .option("--json", "print JSON")
    .addHelpText("after", example("MILLRACE_SCORING_THREADS=2 millrace config"))
    .action(async (module: string | undefined, flags: Flags) => {
      refuseModule(line, module);
      const resolved = resolve(flags, "run", line);
      line.code = await (await looks()).config(resolved, flags);
    });
}

/** What helps to write an application. */
function projectCommands(program: Command, line: CommandLine): void {
  program
    .command("init")
    .description("Make a project: a topology, its schema, a test, and samples to run it on.")
    .argument("<directory>", "a new folder, or one that has none of the files yet")
    .addHelpText("after", example("millrace init my-app"))
    .action(async (directory: string) => {
      refuse(line.problems);
      const { init } = await import("./commands/init.ts");
      line.code = init(directory);
    });

  program
    .command("generate")
    .description("TypeScript types and schemas from contracts, Avro or Protobuf.")
    .argument("<files...>", "the contracts, .avsc or .proto; they may refer to each other")
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
