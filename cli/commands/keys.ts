import type { ApiKey, Scope } from "../../gateway/keys/api-key.ts";
import { addKey, readKeys, revokeKey } from "../../gateway/keys/key-file.ts";
import { jsonText } from "../../schemas/plain-text.ts";
import { exitCodes } from "../exit.ts";
import { table } from "../table.ts";
import { writeOut } from "../write-out.ts";

export interface KeyCommandOptions {
  /** JSON instead of text. @default false */
  readonly json?: boolean;
}

/** What is wished of a new key. */
export interface KeyArguments {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly rate: number | null;
  readonly burst: number | null;
}

/** `millrace keys add`: prints the key, which is kept nowhere. */
export function addApiKey(
  file: string,
  { name, scopes, rate, burst }: KeyArguments,
  options: KeyCommandOptions,
): number {
  const most = burst ?? Math.max(1, rate ?? 1);
  const { key, added } = addKey(file, { name, scopes, rate, burst: most }, new Date());
  if (options.json) writeOut(jsonText({ key, ...shown(added) }));
  else {
    writeOut(key);
    console.error(`${file} has its hash alone: keep the key, it is not shown again.`);
  }
  return exitCodes.done;
}

/** `millrace keys list`: without hashes. */
export function listApiKeys(file: string, options: KeyCommandOptions): number {
  const keys = readKeys(file);
  if (options.json) writeOut(jsonText(keys.map(shown)));
  else if (keys.length === 0) writeOut(`No keys in ${file}.`);
  else {
    const rows = keys.map(({ id, name, scopes, rate, burst, created, revoked }) => [
      ...[id, name, scopes.join(","), rate === null ? "-" : String(rate)],
      ...[rate === null ? "-" : String(burst), created, revoked ?? "-"],
    ]);
    writeOut(table(["id", "name", "scopes", "rate", "burst", "created", "revoked"], rows));
  }
  return exitCodes.done;
}

/** `millrace keys revoke`: a gateway knows within a second. */
export function revokeApiKey(file: string, id: string, options: KeyCommandOptions): number {
  const revoked = revokeKey(file, id, new Date());
  writeOut(options.json ? jsonText(shown(revoked)) : `${id} is revoked.`);
  return exitCodes.done;
}

function shown({ sha256: _, ...rest }: ApiKey): Omit<ApiKey, "sha256"> {
  return rest;
}
