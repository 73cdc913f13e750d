import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import flights from "../examples/flights/app.ts";
import { flagName, type SettingTable, settings, variableName } from "../runtime/config/settings.ts";
import { packageRoot } from "../schemas/package-root.ts";

test("docs/configuration.md says what the table of settings says (GOLDEN=write rewrites it)", () => {
  const path = join(packageRoot(), "docs", "configuration.md");
  if (process.env["GOLDEN"] === "write") writeFileSync(path, configurationPage());
  assert.equal(readFileSync(path, "utf8"), configurationPage());
});

function rowsOf(table: SettingTable): string {
  const rows = Object.entries(table).map(([name, { argument, default: fallback, doc, secret }]) => {
    const flag = `--${flagName(name)}${argument === null ? "" : ` ${argument}`}`.replaceAll(
      "|",
      "\\|",
    );
    const given = secret === true ? "never" : `\`${flag}\``;
    const shown = Array.isArray(fallback) || fallback === null ? "none" : String(fallback);
    return `| ${given} | \`${variableName(name)}\` | \`${name}\` | ${shown} | ${doc} |`;
  });
  return rows.join("\n");
}

/** The page of settings, from their tables. */
function configurationPage(): string {
  return `# Configuration

Flags win over \`MILLRACE_*\` variables, these over \`millrace.config.json\` where one is,
and that over the defaults. \`millrace config\` prints the result and where each value came from.
Unknown names and all wrong values are reported together. Times are UTC.

Secrets come from the environment or a file, never from a flag, and are shown as \`********\`.

| flag | variable | key in the file | default | |
| --- | --- | --- | --- | --- |
${rowsOf(settings)}

## Flights

An application adds settings of its own, and gives others its own default. Those of \`npm start\`:

| flag | variable | key in the file | default | |
| --- | --- | --- | --- | --- |
${rowsOf(flights.settings)}
`;
}
