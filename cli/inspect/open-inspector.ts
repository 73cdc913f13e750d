import type { ResolvedConfig } from "../../runtime/config.ts";
import { readManifest } from "../../runtime/hosting/data-directory.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { ConfigLine, Inspector } from "../../serving/inspector.ts";
import { checkStack, openStack } from "../../stacks/open-stack.ts";
import { connectInspector } from "./socket-client.ts";

/**
 * Asks the run that owns the data directory, or opens the directory when none is running.
 *
 * @throws {MillraceError} DATA_MISSING when nothing was ever run there; DATA_LOCKED when a process
 * holds it that does not answer.
 */
export async function openInspector(plan: Plan, resolved: ResolvedConfig): Promise<Inspector> {
  const { data } = resolved.config;
  const remote = await connectInspector(data);
  if (remote !== null) return remote;
  const manifest = await readManifest(data);
  if (manifest === null) throw new MillraceError("DATA_MISSING", { directory: data });
  checkStack(manifest, resolved.config);
  const { inspectStack } = await import("../../serving/stack-inspector.ts");
  const stack = await openStack(resolved.config, { exclusive: false });
  const now = () => (manifest.live === true ? Date.now() : null);
  const inspector = inspectStack(plan, stack, configLines(resolved), now);
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
