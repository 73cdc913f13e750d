import { readManifest } from "../../runtime/application/data-directory.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { ConfigLine, Inspector } from "./inspector.ts";
import { connectInspector } from "./socket-client.ts";

/**
 * Asks the run that owns the data directory, or opens the directory when none is running.
 *
 * @throws {MillraceError} DATA_MISSING when nothing was ever run there; DATA_LOCKED when a process
 * holds it that does not answer.
 */
export async function openInspector(plan: Plan, resolved: ResolvedConfig): Promise<Inspector> {
  const { data, offlineMemoryMb } = resolved.config;
  const remote = await connectInspector(data);
  if (remote !== null) return remote;
  if ((await readManifest(data)) === null) {
    throw new MillraceError("DATA_MISSING", { directory: data });
  }
  const { openEmbeddedStack } = await import("../../runtime/application/embedded-stack.ts");
  const { inspectStack } = await import("./stack-inspector.ts");
  const stack = await openEmbeddedStack({
    directory: data,
    offlineMemoryBytes: offlineMemoryMb * 2 ** 20,
  });
  const inspector = inspectStack(plan, stack, configLines(resolved));
  return {
    ...inspector,
    close: async () => {
      await inspector.close();
      await stack.close();
    },
  };
}

/** The configuration, setting by setting, secrets masked. */
export function configLines({ shown, origins }: ResolvedConfig): ConfigLine[] {
  return Object.entries(shown).map(([name, value]) => ({
    name,
    value,
    origin: origins[name as keyof typeof origins],
  }));
}
