import { ModelNames, type ModelStores } from "../../runtime/services/models/model-names.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { type ModelChange, notExplained } from "../../schemas/model-change.ts";
import { nearest } from "../../schemas/nearest.ts";
import type { Plan } from "../../schemas/plan.ts";
import { modelNames, predictionsOf } from "../../schemas/plan-facts.ts";
import type { ModelDesk, ModelEntry, NamedModel } from "../../serving/model-desk.ts";
import { modelRoles } from "../../serving/model-roles.ts";
import { namedTopology } from "../../serving/named-topology.ts";
import { askedVersion } from "./asked-version.ts";

/**
 * Changes models and tells of changes, on an open stack.
 *
 * @param now - of a live run: from when on a change is in force. @default a replay: from where its
 * predictions are
 */
export function modelDesk(
  plans: readonly Plan[],
  stores: ModelStores,
  now: () => number | null = () => null,
): ModelDesk {
  const namesOf = (asked: NamedModel) =>
    new ModelNames(planOf(plans, asked), asked.model, stores, now);
  return {
    registerModel: async (request) => {
      const names = namesOf(request);
      return await entryOf(names, await names.register(request, request, request.champion));
    },
    promoteModel: async (request) => {
      const names = namesOf(request);
      return await entryOf(names, await names.promote(request.version, request));
    },
    rollBackModel: async (request) => {
      const names = namesOf(request);
      return await entryOf(names, await names.rollBack(request));
    },
    routeModel: async (request) => {
      const names = namesOf(request);
      return await entryOf(names, await names.route(request, request));
    },
    modelHistory: async (request) => {
      const names = namesOf(request);
      const { changes, trained } = await names.state();
      const trainings = trained.map((each): ModelEntry => {
        const { version, sha256, effectiveFrom } = each;
        return {
          ...{ topology: names.topology, model: request.model, kind: "train", version, sha256 },
          ...{ champion: each.promoted, from: each.champion ?? "", effectiveFrom, at: null },
          ...{ by: "the trainer", why: each.reason, checked: null, notExplained: null },
          routes: null,
        };
      });
      const all = [...trainings, ...changes.map((each) => entryWith(names, each, changes))];
      return all.sort((a, b) => (a.at ?? a.effectiveFrom) - (b.at ?? b.effectiveFrom));
    },
    compareModel: (request) => {
      const plan = planOf(plans, request);
      return modelRoles(plan, request.model, stores.offline.of(plan.name));
    },
    modelFile: async (request) => {
      const plan = planOf(plans, request);
      const version = await askedVersion(plans, stores, plan, request);
      const [step] = predictionsOf(plan).filter(({ model }) => model.name === request.model);
      const { name = "", features = [] } = step ?? {};
      return { ...(await namesOf(request).file(version)), step: name, features };
    },
  };
}

/** @throws {MillraceError} LOOK_UNKNOWN; MODEL_AMBIGUOUS where several topologies have the name. */
export function planOf(plans: readonly Plan[], { model, topology }: NamedModel): Plan {
  if (topology !== null) return namedTopology(plans, topology);
  const owners = plans.filter((plan) => modelNames(plan).includes(model));
  const [only, other] = owners;
  if (only === undefined) {
    const near = nearest(model, plans.flatMap(modelNames));
    throw new MillraceError("LOOK_UNKNOWN", { what: "model", name: model, near });
  }
  if (other === undefined) return only;
  const topologies = owners.map(({ name }) => name).join(", ");
  throw new MillraceError("MODEL_AMBIGUOUS", { model, topologies });
}

async function entryOf(names: ModelNames, change: ModelChange): Promise<ModelEntry> {
  const changes = change.checked === null ? (await names.state()).changes : [change];
  return entryWith(names, change, changes);
}

/** @param changes - among which is the registration of its version, if it was registered. */
function entryWith(
  { topology }: ModelNames,
  change: ModelChange,
  changes: readonly ModelChange[],
): ModelEntry {
  const { kind, model, version, sha256, champion, from, effectiveFrom, at, by, why, checked } =
    change;
  return {
    topology,
    model,
    kind,
    version,
    sha256,
    champion,
    from,
    effectiveFrom,
    at,
    by,
    why,
    checked,
    notExplained: notExplained(changes, version),
    routes: change.routes ?? null,
  };
}
