import { type Command, Option } from "commander";
import { parseTime } from "../runtime/config/setting-types.ts";
import { type ScorerChoice, scorerChoices } from "../schemas/model-change.ts";
import type { Look } from "./commands/look.ts";
import type { LookArguments } from "./look-options.ts";
import { askedRoutes, changesRoutes, gathered } from "./route-options.ts";

type Flags = Readonly<Record<string, unknown>>;

/** What the commands of models share with all others. */
export interface CommandTools {
  /** Adds the options that every look takes. */
  readonly looking: (command: Command) => Command;
  readonly example: (...lines: string[]) => string;
  /** The configuration; what could not be read of the flags is refused with it. */
  readonly resolve: (flags: Flags, problems?: readonly string[]) => Look & LookArguments;
  readonly ended: (code: number) => void;
}

const acts = () => import("./commands/models.ts");

/** `models` and the commands below it: what changes a model, and what is known of versions. */
export function modelCommands(program: Command, tools: CommandTools): void {
  const models = tools
    .looking(program.command("models"))
    .description("Model versions: trained on what, in force since when, and how good.")
    .argument("[model...]", "those alone")
    .addHelpText("after", tools.example("millrace models", "millrace models register --help"))
    .action(async (names: string[], flags: Flags) => {
      const { models: list } = await import("./commands/look.ts");
      tools.ended(await list(tools.resolve(flags), names, flags));
    });
  models.enablePositionalOptions();
  changingCommands(models, tools);
  routeCommand(models, tools);
  lookingCommands(models, tools);
}

function registerCommand(models: Command, tools: CommandTools): void {
  changing(tools.looking(models.command("register")), "registered")
    .description("Check an ONNX file and make it a version of a model.")
    .argument("<file>", "the ONNX file, as its converter wrote it")
    .requiredOption("--name <model>", "the model that it is a version of, as in scoredBy")
    .addOption(new Option("--alias <alias>", "what it becomes at once").choices(["champion"]))
    .option("--golden <file>", 'JSON: {"features": […], "rows": [[…]], "scores": […]}')
    .option("--tolerance <number>", "how far from its golden score a row may be", "0.00001")
    .option("--order <features>", "features that its input takes, in its order, with commas")
    .option("--output <name>", "the output that is read (default: the one with probabilities)")
    .option("--positive <class>", "class whose probability it is (default: the second of two)")
    .option("--logit", "what it gives are log-odds")
    .addOption(
      new Option("--scorer <scorer>", "what computes it: JavaScript where that is as good (auto)")
        .choices(scorerChoices)
        .default("auto"),
    )
    .addHelpText(
      "after",
      tools.example(
        "millrace models register fraud.onnx --name fraud --alias champion --why 'trees, June data'",
        "millrace models register fraud.onnx --name fraud --golden golden.json --positive late",
      ),
    )
    .action(async (file: string, flags: Flags) => {
      const problems: string[] = [];
      const tolerance = Number(flags["tolerance"]);
      if (!(tolerance >= 0 && tolerance < 1))
        problems.push("--tolerance: write a number from 0 to 1");
      const { resolved, asked } = changeOf(flags, String(flags["name"]), tools, problems);
      const order =
        textOf(flags["order"])
          ?.split(",")
          .map((name) => name.trim()) ?? null;
      const { registerModel } = await acts();
      const code = await registerModel(
        resolved,
        {
          ...asked,
          ...{ file, tolerance, order, champion: flags["alias"] === "champion" },
          ...{ golden: textOf(flags["golden"]), output: textOf(flags["output"]) },
          ...{ positive: textOf(flags["positive"]), logit: flags["logit"] === true },
          scorer: flags["scorer"] as ScorerChoice,
        },
        flags,
      );
      tools.ended(code);
    });
}

function changingCommands(models: Command, tools: CommandTools): void {
  registerCommand(models, tools);
  changing(tools.looking(models.command("promote")), "promoted")
    .description("Make a version the champion: the stream is scored by it from then on.")
    .argument("<model>", "its name, as in scoredBy")
    .argument("<version>", "a version of it, registered or trained")
    .addHelpText(
      "after",
      tools.example("millrace models promote fraud r2 --why 'shadow was better'"),
    )
    .action(async (model: string, version: string, flags: Flags) => {
      const { resolved, asked } = changeOf(flags, model, tools);
      const { promoteModel } = await acts();
      tools.ended(await promoteModel(resolved, { ...asked, version }, flags));
    });

  changing(tools.looking(models.command("rollback")), "rolled back")
    .description("Make the champion before the present one champion again.")
    .argument("<model>", "its name, as in scoredBy")
    .addHelpText("after", tools.example("millrace models rollback fraud --why 'too many alarms'"))
    .action(async (model: string, flags: Flags) => {
      const { resolved, asked } = changeOf(flags, model, tools);
      tools.ended(await (await acts()).rollBackModel(resolved, asked, flags));
    });
}

function routeCommand(models: Command, tools: CommandTools): void {
  changing(tools.looking(models.command("route")), "routed so")
    .description(
      "Have challengers answer a share of the records; without options: who answers now.",
    )
    .argument("<model>", "its name, as in scoredBy of a step that is routed")
    .option("--challenger <version=share>", "e.g. r2=5%; give it for each", gathered, [])
    .option("--shadow <version=share>", "scores beside for so many records, and never answers")
    .option("--champion <version>", "becomes champion with it (default: the champion stays)")
    .option("--segment <value>", "challengers of its records alone, in place of the others")
    .option("--end", "no challengers any more, of any segment, and no shadow")
    .addHelpText(
      "after",
      tools.example(
        "millrace models route fraud",
        "millrace models route fraud --challenger r2=5% --why 'canary'",
        "millrace models route fraud --challenger r2=20% --challenger r3=20% --shadow r4=10%",
        "millrace models route fraud --segment DE --challenger r2=50%",
        "millrace models route fraud --end",
      ),
    )
    .action(async (model: string, flags: Flags) => {
      if (!changesRoutes(flags)) {
        const resolved = tools.resolve(flags);
        const asked = { model, topology: resolved.topology };
        tools.ended(await (await acts()).showRoutes(resolved, asked, flags));
        return;
      }
      const problems: string[] = [];
      const routes = askedRoutes(flags, problems);
      const { resolved, asked } = changeOf(flags, model, tools, problems);
      tools.ended(await (await acts()).routeModel(resolved, { ...asked, ...routes }, flags));
    });
}

function lookingCommands(models: Command, tools: CommandTools): void {
  const topology = ["--topology <name>", "whose model, where several topologies have it"] as const;
  tools
    .looking(models.command("history"))
    .description("Every change of what a model's name stands for: who, when, from, to, why.")
    .argument("<model>", "its name, as in scoredBy")
    .option(...topology)
    .addHelpText("after", tools.example("millrace models history fraud"))
    .action(async (model: string, flags: Flags) => {
      const resolved = tools.resolve(flags);
      const asked = { model, topology: resolved.topology };
      tools.ended(await (await acts()).modelHistory(resolved, asked, flags));
    });

  tools
    .looking(models.command("compare"))
    .description("Champion, challengers and shadow of a routed model side by side, by AUC.")
    .argument("<model>", "its name, as in scoredBy of a step that is routed")
    .option(...topology)
    .addHelpText("after", tools.example("millrace models compare fraud"))
    .action(async (model: string, flags: Flags) => {
      const resolved = tools.resolve(flags);
      const asked = { model, topology: resolved.topology };
      tools.ended(await (await acts()).compareModel(resolved, asked, flags));
    });

  tools
    .looking(models.command("show"))
    .description("What is known of a version: its file, its changes and what its checks found.")
    .argument("<model>", "its name, as in scoredBy")
    .argument("[version]", "a version of it (default: the champion)")
    .option(...topology)
    .addHelpText("after", tools.example("millrace models show fraud r2"))
    .action(async (model: string, version: string | undefined, flags: Flags) => {
      const resolved = tools.resolve(flags);
      const asked = { model, topology: resolved.topology, version: version ?? null };
      tools.ended(await (await acts()).showModel(resolved, asked, flags));
    });

  tools
    .looking(models.command("download"))
    .description("Copy the ONNX file of a version, as it is served.")
    .argument("<model>", "its name, as in scoredBy")
    .argument("[version]", "a version of it (default: the champion)")
    .requiredOption("--out <file>", "where to")
    .option(...topology)
    .addHelpText("after", tools.example("millrace models download fraud r2 --out fraud-r2.onnx"))
    .action(async (model: string, version: string | undefined, flags: Flags) => {
      const resolved = tools.resolve(flags);
      const out = String(flags["out"]);
      const asked = { model, topology: resolved.topology, version: version ?? null, out };
      tools.ended(await (await acts()).downloadModel(resolved, asked, flags));
    });
}

/** Options that every change takes. */
function changing(command: Command, done: string): Command {
  return command
    .option("--why <text>", `why it is ${done}, for the history`)
    .option(
      "--effective-from <time>",
      "in force for records known after it, UTC (default: now; of a replay: after its predictions)",
    )
    .option("--topology <name>", "whose model, where several topologies have it");
}

function changeOf(
  flags: Flags,
  model: string,
  tools: CommandTools,
  problems: readonly string[] = [],
) {
  const given = textOf(flags["effectiveFrom"]);
  const effectiveFrom = given === null ? null : parseTime(given);
  const wrong =
    given !== null && effectiveFrom === null
      ? [`--effective-from: ${JSON.stringify(given)}: write a UTC time like 2026-01-15T06:00`]
      : [];
  const resolved = tools.resolve(flags, [...problems, ...wrong]);
  const asked = {
    model,
    topology: resolved.topology,
    effectiveFrom,
    why: textOf(flags["why"]) ?? "",
  };
  return { resolved, asked };
}

function textOf(flag: unknown): string | null {
  return flag === undefined ? null : String(flag);
}
