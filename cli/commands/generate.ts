import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { inlineReferences, type NamedAvroType } from "../../schemas/avro-references.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { parseAvro } from "../../schemas/formats/avro/parse-avro.ts";
import { generateProtoTypes } from "../../schemas/generate-proto-types.ts";
import { generateTypes } from "../../schemas/generate-types.ts";
import { exitCodes } from "../exit.ts";
import { writeOut } from "../write-out.ts";

/** Flags of `millrace generate`. */
export interface GenerateFlags {
  /** Module to write. @default standard output */
  readonly out?: string;
  /** Compare instead of writing. @default false */
  readonly check?: boolean;
}

/**
 * `millrace generate`: the TypeScript module of contracts, Avro or Protobuf, in the order of the
 * files.
 *
 * @throws {MillraceError} SCHEMA_FILE_INVALID when a file is no schema; CONFIG_INVALID when
 * there is nothing to compare with.
 */
export function generate(files: readonly string[], { out, check = false }: GenerateFlags): number {
  const text = moduleOf(files);
  if (out === undefined) {
    if (check) {
      const problems = "- --check: give the module to compare with, --out FILE";
      throw new MillraceError("CONFIG_INVALID", { count: 1, problems });
    }
    writeOut(text);
    return exitCodes.done;
  }
  if (!check) {
    writeFileSync(out, text);
    console.log(`Wrote ${out}.`);
    return exitCodes.done;
  }
  if (existsSync(out) && readFileSync(out, "utf8") === text) return exitCodes.done;
  console.error(`${out} is not what the contracts say: run this again without --check.`);
  return exitCodes.failed;
}

function moduleOf(files: readonly string[]): string {
  const protos = files.filter((file) => file.endsWith(".proto"));
  const names = files.map((file) => relative("", file)).join(" ");
  const comment = [`Written by \`millrace generate\` from ${names}. Change those instead.`];
  if (protos.length > 0) {
    return said(names, () => {
      if (protos.length < files.length) throw new Error("a module is of Avro or of Protobuf");
      return generateProtoTypes(
        files.map((file) => readFileSync(file, "utf8")),
        comment,
      );
    });
  }
  const contracts = files.map((file) => said(file, () => readContract(file)));
  const whole = inlineReferences(contracts);
  for (const [index, file] of files.entries()) {
    said(file, () => parseAvro(whole[index]));
  }
  return said(names, () =>
    generateTypes(whole, {
      comment,
      from: "millrace",
      long: "number | bigint",
    }),
  );
}

function readContract(file: string): NamedAvroType {
  const contract = JSON.parse(readFileSync(file, "utf8")) as Partial<NamedAvroType> | null;
  const named = ["record", "enum", "fixed"].includes(contract?.type ?? "");
  if (!named || typeof contract?.name !== "string") {
    throw new Error('a contract is a named type: { "type": "record", "name": …, "fields": … }');
  }
  return contract as NamedAvroType;
}

/** Runs a step about a file; what goes wrong names it. */
function said<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MillraceError("SCHEMA_FILE_INVALID", { file, reason });
  }
}
