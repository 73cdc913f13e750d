/**
 * `npm run generate`: writes a generated.ts beside the Avro contracts of each folder, the lists of
 * rooms that have a part of each kind of step, and docs/errors.md from the table of errors. A test
 * fails when they differ.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { NamedAvroType } from "./avro-references.ts";
import { errorTable } from "./errors.ts";
import { errorPage } from "./generate-error-page.ts";
import { type KindList, kindLists, kindListText } from "./generate-kinds.ts";
import { generateTypes } from "./generate-types.ts";
import { packageRoot } from "./package-root.ts";

const root = packageRoot();

/** Folders with contracts, from the root: ours, and those of each topology beside it. */
export function contractFolders(): string[] {
  const topologies = readdirSync(join(root, "topologies"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `topologies/${name}`);
  return ["schemas", ...topologies.sort()].filter((folder) => contractsIn(folder).length > 0);
}

function contractsIn(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((file) => file.endsWith(".avsc"))
    .sort();
}

/** The text that its generated.ts has to have: contracts in the order of their file names. */
export function generatedText(folder: string): string {
  const schemas = contractsIn(folder).map(
    (file) => JSON.parse(readFileSync(join(root, folder, file), "utf8")) as NamedAvroType,
  );
  const up = relative(folder, "schemas");
  return generateTypes(schemas, {
    comment: [
      `Written by \`npm run generate\` from ${folder}/*.avsc. Change those instead.`,
      "Why long: one file for all contracts, so that what is generated can be told from what is not.",
    ],
    from: `${up === "" ? "." : up}/record-schema.ts`,
    // Ours are offsets, instants and small ids, which a double holds.
    long: "number",
  });
}

/** The text that a list of the kinds of steps has to have. */
export function kindListOf(list: KindList): string {
  const steps = readFileSync(join(root, "schemas", "steps", "kinds.ts"), "utf8");
  return kindListText(list, steps, (path) => existsSync(join(root, path)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const folder of contractFolders()) {
    writeFileSync(join(root, folder, "generated.ts"), generatedText(folder));
  }
  for (const list of kindLists) writeFileSync(join(root, list.path), kindListOf(list));
  writeFileSync(join(root, "docs", "errors.md"), errorPage(errorTable));
  console.log("Wrote the generated types, the lists of kinds and docs/errors.md.");
}
