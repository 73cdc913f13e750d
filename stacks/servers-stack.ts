import type { ArtifactsAccess } from "../runtime/config/artifacts-access.ts";
import type { ServerAccess } from "../runtime/config/server-access.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { checkServers, type ServersKind } from "./check-servers.ts";
import { FileEngine } from "./file-engine.ts";
import { holdDirectory } from "./hold-directory.ts";
import { openServers } from "./open-servers.ts";

export interface ServersStackOptions {
  readonly kind: ServersKind;
  readonly access: ServerAccess;
  readonly artifacts: ArtifactsAccess;
  /** Data directory: copies of models, manifest, record of the run; all else is on the servers. */
  readonly directory: string;
  /** Whether this process alone may use the data directory, as a run does. @default false */
  readonly exclusive?: boolean;
}

/**
 * Opens clients of servers that others run; nothing is started and nothing of theirs is stopped.
 *
 * @throws {MillraceError} DATA_LOCKED when another process holds the directory; STACK_UNREACHABLE
 * naming every server that cannot be used, and why.
 */
export async function openServersStack(options: ServersStackOptions): Promise<Stack> {
  const { kind, access, artifacts, directory, exclusive = false } = options;
  return await holdDirectory(directory, exclusive, async (keep, close) => {
    await checkServers(kind, access);
    const parts = await openServers(access, directory, artifacts, keep);
    const files = keep(new FileEngine(directory));
    return { ...parts, kind, files, pids: () => files.pids, close };
  });
}
