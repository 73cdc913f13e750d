import type { OneHotFeature } from "../../../processors/scoring/onnx/model-reading.ts";
import type { Encoding } from "../../../schemas/encoding.ts";
import type { PredictionFacts } from "../../../schemas/plan.ts";

/**
 * The texts that a step's vector holds as `oneHot` features, by the name that these begin with: a
 * model with an input of texts of that name gets the text back.
 */
export function oneHotTexts(step: PredictionFacts): ReadonlyMap<string, readonly OneHotFeature[]> {
  const texts = new Map<string, OneHotFeature[]>();
  const add = (feature: string, encoding: Encoding | undefined): void => {
    if (encoding?.kind !== "one-hot") return;
    const name = feature.slice(0, -(encoding.value.length + 1));
    const known = texts.get(name) ?? [];
    known.push({ feature, text: encoding.value });
    texts.set(name, known);
  };
  for (const { name, encoding } of step.request) add(name, encoding);
  for (const { encoded = [] } of step.lookups) {
    for (const { name, encoding } of encoded) add(name, encoding);
  }
  return texts;
}
