/**
 * `npm run generate`: writes schemas/generated.ts from the Avro contracts beside it, and
 * docs/errors.md from the table of errors. A test fails when they differ.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { NamedAvroType } from "./avro-references.ts";
import { errorTable } from "./errors.ts";
import { errorPage } from "./generate-error-page.ts";
import { generateTypes } from "./generate-types.ts";
import { packageRoot } from "./package-root.ts";

const folder = join(packageRoot(), "schemas");

/** Where the generated types stand. */
export const generatedFile = join(folder, "generated.ts");

/** The text that schemas/generated.ts has to have: contracts in the order of their file names. */
export function generatedText(): string {
  const files = readdirSync(folder).filter((file) => file.endsWith(".avsc"));
  const schemas = files
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as NamedAvroType);
  return generateTypes(schemas, {
    comment: [
      "Written by `npm run generate` from schemas/*.avsc. Change those instead.",
      "Why long: one file for all contracts, so that what is generated can be told from what is not.",
    ],
    from: "./record-schema.ts",
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(generatedFile, generatedText());
  writeFileSync(join(packageRoot(), "docs", "errors.md"), errorPage(errorTable));
  console.log("Wrote schemas/generated.ts and docs/errors.md.");
}
