import { type FeatureViewSpec, featureColumns, viewId } from "../feature-view.ts";
import type { StepFacts } from "./step-facts.ts";

/** Its operator is told what the step is. */
export const view: StepFacts<FeatureViewSpec, FeatureViewSpec> = {
  nameOf: viewId,
  free: ["ttlMs", "stores"],
  growth: {
    fields: ["aggregates", "windows"],
    columns: (view) =>
      new Map(
        featureColumns(view).map(({ column, aggregate, window }) => [
          column,
          { aggregate, window },
        ]),
      ),
  },
  passes: null,
  gives: { features: (spec) => spec },
  sqlGap: null,
};
