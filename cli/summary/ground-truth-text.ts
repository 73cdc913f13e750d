import type { GroundTruth } from "./summary.ts";

/** What is known of predictions, for people. */
export function groundTruthText(truth: GroundTruth): string {
  const { labelled, takenForNegative, unknown, pending } = truth;
  const count = (value: number) => value.toLocaleString("en-US");
  const negative = takenForNegative === 0 ? "" : `${count(takenForNegative)} taken for negative, `;
  return (
    `${count(labelled)} labelled, ${negative}` +
    `${count(unknown)} unknown, ${count(pending)} pending`
  );
}
