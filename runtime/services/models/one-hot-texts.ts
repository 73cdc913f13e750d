import type { OneHotFeature } from "../../../processors/scoring/onnx/model-reading.ts";
import { type Encoding, onlyText } from "../../../schemas/encodings/encodings.ts";
import type { PredictionFacts } from "../../../schemas/plan.ts";

/**
 * The texts that a step's vector holds as `oneHot` features, by the name that these begin with: a
 * model with an input of texts of that name gets the text back.
 */
export function oneHotTexts(
  step: Pick<PredictionFacts, "request" | "lookups">,
): ReadonlyMap<string, readonly OneHotFeature[]> {
  const texts = new Map<string, OneHotFeature[]>();
  const add = (feature: string, encoding: Encoding | undefined): void => {
    const only = encoding === undefined ? null : onlyText(encoding, feature);
    if (only === null) return;
    const known = texts.get(only.name) ?? [];
    known.push({ feature, text: only.text });
    texts.set(only.name, known);
  };
  for (const { name, encoding } of step.request) add(name, encoding);
  for (const { encoded = [] } of step.lookups) {
    for (const { name, encoding } of encoded) add(name, encoding);
  }
  return texts;
}
