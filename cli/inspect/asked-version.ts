import type { ModelStores } from "../../runtime/services/models/model-names.ts";
import { Tracking } from "../../runtime/tracking/tracking.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { nearest } from "../../schemas/nearest.ts";
import type { Plan } from "../../schemas/plan.ts";
import { modelNames } from "../../schemas/plan-facts.ts";
import type { AskedVersion } from "../../serving/model-desk.ts";

/**
 * The version that is asked for by its name or by an alias that MLflow's registry has; null: the
 * champion, which the register knows.
 *
 * @throws {MillraceError} LOOK_UNKNOWN where the model has no such alias.
 */
export async function askedVersion(
  plans: readonly Plan[],
  stores: ModelStores,
  { name: topology }: Plan,
  { model, version, alias = null }: AskedVersion,
): Promise<string | null> {
  if (version !== null || alias === null || alias === "champion") return version;
  const owners = plans.filter((plan) => modelNames(plan).includes(model));
  const tracking = new Tracking(plans, stores);
  try {
    const { registeredModels } = await tracking.state();
    const found = registeredModels.get(owners.length > 1 ? `${topology}.${model}` : model);
    const number = found?.aliases.get(alias);
    const native = number === undefined ? undefined : found?.versions.get(number)?.native;
    if (native !== undefined && native !== "") return native;
    const near = nearest(alias, ["champion", ...(found?.aliases.keys() ?? [])]);
    throw new MillraceError("LOOK_UNKNOWN", { what: `alias of ${model}`, name: alias, near });
  } finally {
    await tracking.close();
  }
}
