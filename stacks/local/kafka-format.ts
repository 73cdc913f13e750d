import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeWhole } from "../../runtime/hosting/write-whole.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Java } from "./java.ts";
import { serverEnvironment } from "./stack-environment.ts";

/** Of every local Kafka. */
const clusterId = "bWlsbHJhY2Utc3RhY2stMQ";

/** What the format command writes for a cluster: its features and first settings. */
const checkpoint = "bootstrap.checkpoint";

/** A node whose directory is to be formatted. */
export interface FormatOptions {
  readonly java: Java;
  /** Folder of Kafka's jars. */
  readonly jars: string;
  readonly nodeId: number;
  /** Holds `server.properties` and gets `data`. */
  readonly directory: string;
  readonly args: readonly string[];
  /** Whether what is written is that of any other such node: one alone, with our own settings. */
  readonly usual: boolean;
}

/**
 * Formats the directory of a node where that is new. The command takes two seconds of CPU; what it
 * writes for a usual node is kept beside the jars, and serves the next.
 *
 * @throws {MillraceError} STACK_START_FAILED.
 */
export async function formatDirectory(options: FormatOptions): Promise<void> {
  const { jars, nodeId, directory, usual } = options;
  const data = join(directory, "data");
  const properties = join(data, "meta.properties");
  if (existsSync(properties)) return;
  const kept = join(jars, checkpoint);
  if (usual && existsSync(kept)) {
    await mkdir(data, { recursive: true, mode: 0o700 });
    await copyFile(kept, join(data, checkpoint));
    // Last: by this file the directory counts as formatted.
    await writeWhole(properties, metaProperties(nodeId));
    return;
  }
  await runFormat(options);
  if (!usual) return;
  const copy = `${kept}.${process.pid}`;
  await copyFile(join(data, checkpoint), copy);
  await rename(copy, kept);
}

function metaProperties(nodeId: number): string {
  // As Kafka makes its ids: 16 random bytes, none that begins like an option.
  const id = Buffer.concat([Buffer.of(1), randomBytes(15)]).toString("base64url");
  const values = { version: 1, "cluster.id": clusterId, "node.id": nodeId, "directory.id": id };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

/** How long formatting a directory may take, ms. */
const formatTimeoutMs = 120_000;

async function runFormat({ java, jars, directory, args }: FormatOptions): Promise<void> {
  const command = [
    ...["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", join(jars, "*")],
    ...["kafka.tools.StorageTool", "format", "-t", clusterId],
    ...["-c", join(directory, "server.properties"), ...args],
  ];
  try {
    await promisify(execFile)(java.executable, command, {
      env: serverEnvironment(),
      timeout: formatTimeoutMs,
    });
  } catch (cause) {
    const { stdout, stderr, message } = cause as Error & { stdout?: string; stderr?: string };
    const said = `${stdout ?? ""}${stderr ?? ""}`.trim().split("\n").slice(-5).join(" | ");
    const reason = `formatting its directory failed: ${said || message}`;
    throw new MillraceError("STACK_START_FAILED", { name: "Kafka", reason }, { cause });
  }
}
