import { BatchScoring } from "../../runtime/services/models/batch-scoring.ts";
import { ModelNames, type ModelStores } from "../../runtime/services/models/model-names.ts";
import type { Plan, PredictionFacts } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import type { BatchDesk, ScoreRequest } from "../../serving/batch-desk.ts";
import { askedVersion } from "./asked-version.ts";
import { planOf } from "./model-desk.ts";

/**
 * Scores rows of the offline store by models of an open stack.
 *
 * @param now - of a live run, UTC ms: whose champions are in force; null: of a replay, all of them.
 */
export function batchDesk(
  plans: readonly Plan[],
  stores: ModelStores,
  now: () => number | null,
): BatchDesk {
  const scoringOf = (request: ScoreRequest) => {
    const plan = planOf(plans, request);
    const names = new ModelNames(plan, request.model, stores, now);
    // Every step that scores by the name has the same features.
    const step = predictionsOf(plan).find(({ model }) => model.name === request.model);
    const own = [stores.offline.of(plan.name), stores.artifacts.of(plan.name)] as const;
    return { plan, names, scoring: new BatchScoring(step as PredictionFacts, ...own) };
  };
  return {
    scoreJob: async (request) => {
      const { plan, names, scoring } = scoringOf(request);
      const asked = await askedVersion(plans, stores, plan, request);
      const { version, sha256 } = await names.file(asked);
      return { topology: plan.name, ...(await scoring.open(request, { version, sha256 })) };
    },
    scorePage: async ({ found, page, ...request }) =>
      await scoringOf(request).scoring.page(request, found, page),
  };
}
