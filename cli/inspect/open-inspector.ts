import type { ResolvedConfig } from "../../runtime/config.ts";
import { readManifest } from "../../runtime/hosting/data-directory.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { ConfigLine, Inspector } from "../../serving/inspector.ts";
import { checkStack, openStack } from "../../stacks/open-stack.ts";
import { namedApplication } from "../application/find-application.ts";
import type { LoadedApplication } from "../run/claim.ts";
import { batchDesk } from "./batch-desk.ts";
import { modelDesk } from "./model-desk.ts";
import { checkAsked, plansThere } from "./plans-there.ts";
import { connectInspector } from "./socket-client.ts";

/**
 * Asks the run that owns the data directory, or opens the directory when none is running.
 *
 * @param application - whose directory it is; a run that answers need not be told.
 * @throws {MillraceError} DATA_MISSING when nothing was ever run there; DATA_LOCKED when a process
 * holds it that does not answer; DATA_APPLICATION_CHANGED, DATA_PLAN_CHANGED when it belongs to
 * another application, or to a topology that cannot go on as it is now; APPLICATION_UNNAMED when
 * nothing says to which.
 */
export async function openInspector(
  application: LoadedApplication | null,
  resolved: ResolvedConfig,
): Promise<Inspector> {
  const { data } = resolved.config;
  const remote = await connectInspector(data);
  if (remote !== null) return remote;
  const manifest = await readManifest(data);
  if (manifest === null) throw new MillraceError("DATA_MISSING", { directory: data });
  checkStack(manifest, resolved.config);
  const { spec } = namedApplication(application, data);
  const asked = { directory: data, found: manifest, spec };
  checkAsked(asked);
  const { inspectStack } = await import("../../serving/stack-inspector.ts");
  const stack = await openStack(resolved.config, { exclusive: false });
  const now = () => (manifest.live === true ? Date.now() : null);
  const plans = await plansThere(asked, stack.broker).catch(async (error: unknown) => {
    await stack.close();
    throw error;
  });
  const inspector = inspectStack(plans, stack, configLines(resolved), now);
  return {
    ...inspector,
    ...modelDesk(spec.topologies, stack, now),
    ...batchDesk(spec.topologies, stack, now),
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
    origin: origins[name] ?? "default",
  }));
}
