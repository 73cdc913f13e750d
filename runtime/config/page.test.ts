import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../schemas/package-root.ts";
import { flagName, settingNames, settings, variableName } from "./settings.ts";

test("docs/configuration.md says what the table of settings says (GOLDEN=write rewrites it)", () => {
  const path = join(packageRoot(), "docs", "configuration.md");
  if (process.env["GOLDEN"] === "write") writeFileSync(path, configurationPage());
  assert.equal(readFileSync(path, "utf8"), configurationPage());
});

/** The page of settings, from their table. */
function configurationPage(): string {
  const rows = settingNames.map((name) => {
    const { argument, default: fallback, doc } = settings[name];
    const flag = `--${flagName(name)}${argument === null ? "" : ` ${argument}`}`.replaceAll(
      "|",
      "\\|",
    );
    const given = "secret" in settings[name] ? "never" : `\`${flag}\``;
    const shown = Array.isArray(fallback) || fallback === null ? "none" : String(fallback);
    return `| ${given} | \`${variableName(name)}\` | \`${name}\` | ${shown} | ${doc} |`;
  });
  return `# Configuration

Flags win over \`MILLRACE_*\` variables, these over \`millrace.config.json\` where one is,
and that over the defaults. \`millrace config\` prints the result and where each value came from.
Unknown names and all wrong values are reported together. Times are UTC.

Secrets come from the environment or a file, never from a flag, and are shown as \`********\`.

| flag | variable | key in the file | default | |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}
