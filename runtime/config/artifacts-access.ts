import { readFileSync } from "node:fs";
import type { S3ArtifactsOptions } from "../../sinks/artifacts/s3-artifacts.ts";
import type { Config } from "./settings.ts";

/** Where the artifacts of a configuration stand. */
export type ArtifactsAccess =
  | { readonly kind: "local" }
  | { readonly kind: "clickhouse" }
  | { readonly kind: "directory"; readonly directory: string }
  | { readonly kind: "s3"; readonly options: S3ArtifactsOptions };

/**
 * Where the artifacts of a configuration stand; what cannot be used is added to `problems`, each
 * with its setting, and no secret.
 */
export function artifactsAccess(config: Config, problems: string[]): ArtifactsAccess {
  const { artifacts, artifactsEndpoint, artifactsUser, stack } = config;
  if (artifacts === null) return { kind: stack === "embedded" ? "local" : "clickhouse" };
  if (artifacts === "clickhouse") return { kind: "clickhouse" };
  const [, bucket, prefix = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(artifacts) ?? [];
  if (bucket === undefined) return { kind: "directory", directory: artifacts };
  const password = passwordOf(config, problems);
  if (artifactsUser === null || password === null) {
    problems.push(
      "artifacts: a bucket needs artifactsUser and MILLRACE_ARTIFACTS_PASSWORD or artifactsPasswordFile",
    );
  }
  return {
    kind: "s3",
    options: {
      bucket,
      prefix,
      endpoint: artifactsEndpoint,
      ...(config.artifactsRegion === null ? {} : { region: config.artifactsRegion }),
      accessKeyId: artifactsUser ?? "",
      secretAccessKey: password ?? "",
    },
  };
}

function passwordOf(config: Config, problems: string[]): string | null {
  const { artifactsPassword: given, artifactsPasswordFile: file } = config;
  if (given !== null && file !== null) {
    problems.push("artifactsPassword, artifactsPasswordFile: give one of them");
  }
  if (given !== null || file === null) return given?.reveal() ?? null;
  try {
    const text = readFileSync(file, "utf8").replace(/\r?\n$/, "");
    if (text === "") problems.push(`artifactsPasswordFile: ${file} is empty`);
    return text;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    problems.push(`artifactsPasswordFile: ${file} cannot be read (${reason})`);
    return "";
  }
}
