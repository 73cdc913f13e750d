import type { Command } from "commander";
import { type Scope, scopes } from "../../gateway/keys/api-key.ts";
import { type ResolvedConfig, resolveConfig } from "../../runtime/config.ts";
import { nearest } from "../../schemas/nearest.ts";
import { namedApplication } from "../application/find-application.ts";
import {
  type CommandLine,
  example,
  type Flags,
  moduleDoc,
  ownSettings,
  refuseModule,
  resolveLook,
} from "../command-line.ts";
import type { KeyArguments } from "../commands/keys.ts";
import { addSettings, settingFlags } from "../settings-options.ts";

/** The gateway, and who may ask it. */
export function serveCommands(program: Command, line: CommandLine): void {
  addSettings(program.command("serve"), "serve", ownSettings(line))
    .description(
      "Serve features and predictions over HTTP, beside a run or after it, until Ctrl-C.",
    )
    .argument("[application]", moduleDoc)
    .addHelpText(
      "after",
      example(
        "millrace serve app.ts --stack cluster --live --listen 0.0.0.0:8080",
        "millrace run app.ts --live --listen 8080        (the gateway beside a run)",
      ),
    )
    .action(async (module: string | undefined, flags: Flags) => {
      refuseModule(line, module);
      const resolved = resolveLook(flags, line, "serve");
      const application = namedApplication(line.application, resolved.config.data);
      line.code = await (await import("../commands/serve.ts")).serve(application, resolved);
    });

  const keys = program.command("keys").description("API keys of the gateway.");
  const about = (name: string, description: string) =>
    addSettings(keys.command(name), "keys").description(description).option("--json", "print JSON");
  const act = () => import("../commands/keys.ts");

  about("add", "Make a key and print it; the file gets its hash.")
    .argument("<name>", "whose it is, for people")
    .option("--scope <scopes>", `What it is good for, of ${scopes.join(", ")}.`, "read")
    .option("--rate <number>", "Requests a second (default: no limit)")
    .option("--burst <number>", "Requests at once after a rest (default: the rate)")
    .addHelpText("after", example("millrace keys add dashboard --scope read --rate 50"))
    .action(async (name: string, flags: Flags) => {
      const { wish, file } = readWish(name, flags, line);
      line.code = (await act()).addApiKey(file, wish, flags);
    });
  about("list", "The keys, without what could be asked with.")
    .addHelpText("after", example("millrace keys list"))
    .action(async (flags: Flags) => {
      const { config } = resolveKeys(flags, line.problems);
      line.code = (await act()).listApiKeys(config.keysFile, flags);
    });
  about("revoke", "Let a key in no more; gateways know within a second.")
    .argument("<id>", "its id, as keys list shows it")
    .addHelpText("after", example("millrace keys revoke 1f0c9a42"))
    .action(async (id: string, flags: Flags) => {
      const { config } = resolveKeys(flags, line.problems);
      line.code = (await act()).revokeApiKey(config.keysFile, id, flags);
    });
}

/** What Feast needs to read from a gateway. */
export function feastCommand(features: Command, line: CommandLine): void {
  addSettings(features.command("feast"), "look")
    .description("Write a feature repository with which Feast reads features from a gateway.")
    .argument("[application]", moduleDoc)
    .option("--out <folder>", "where the files go", "feast")
    .option("--gateway <url>", "the gateway", "http://127.0.0.1:8080")
    .option("--replace", "write files anew that are there")
    .addHelpText("after", example("millrace features feast app.ts --out features"))
    .action(async (module: string | undefined, flags: Flags) => {
      refuseModule(line, module);
      const resolved = resolveLook(flags, line);
      const application = namedApplication(line.application, resolved.config.data);
      const { out, gateway, replace } = flags;
      const { writeFeastRepository } = await import("../commands/feast.ts");
      line.code = writeFeastRepository(
        ...([application, String(out), String(gateway), replace === true] as const),
      );
    });
}

function resolveKeys(flags: Flags, problems: readonly string[]): ResolvedConfig {
  return resolveConfig({ flags: settingFlags(flags, "keys"), problems });
}

function readWish(
  name: string,
  flags: Flags,
  line: CommandLine,
): { readonly wish: KeyArguments; readonly file: string } {
  const problems = [...line.problems];
  const wanted = String(flags["scope"])
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  for (const scope of wanted) {
    if (scopes.some((each) => each === scope)) continue;
    const near = nearest(scope, scopes) || `; there are ${scopes.join(", ")}`;
    problems.push(`--scope: there is no scope ${JSON.stringify(scope)}${near}`);
  }
  if (wanted.length === 0) problems.push(`--scope: write some of ${scopes.join(", ")}`);
  const number = (flag: string, least: number): number | null => {
    const text = flags[flag];
    if (text === undefined) return null;
    const value = Number(text);
    const isGood = /^\d+(\.\d+)?$/.test(String(text)) && value >= least && value <= 1e6;
    if (!isGood) problems.push(`--${flag}: write a number from ${least} to 1000000`);
    return value;
  };
  const wish = {
    ...{ name, scopes: [...new Set(wanted)] as Scope[] },
    ...{ rate: number("rate", 0.01), burst: number("burst", 1) },
  };
  return { wish, file: resolveKeys(flags, problems).config.keysFile };
}
