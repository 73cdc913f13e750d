import { areaUnderRocOf } from "../drift/auc.ts";
import { gainLowerBound } from "./gain-bootstrap.ts";

/** A model whose AUC on the holdout is not above this is never promoted. */
export const minHoldoutAuc = 0.6;

/** The lower bound of the gain over the champion must be above this. */
export const minGainLowerBound = -0.005;

export interface GateVerdict {
  readonly promoted: boolean;
  /** For people. */
  readonly reason: string;
  /** null where the holdout lacks a class. */
  readonly holdoutAuc: number | null;
  readonly championAuc: number | null;
  readonly gainLowerBound: number | null;
}

/**
 * Decides whether a challenger replaces the champion, on the same holdout rows: its AUC must be
 * above {@link minHoldoutAuc}, and where there is a champion the gain must be positive and its
 * one-sided 99 % bound above {@link minGainLowerBound}.
 *
 * @param seed - seed of the bootstrap: the id of the retrain request.
 */
export function judge(
  labels: Uint8Array,
  challenger: Float64Array,
  champion: Float64Array | null,
  seed: string,
): GateVerdict {
  const auc = areaUnderRocOf(challenger, labels);
  const none = { holdoutAuc: null, championAuc: null, gainLowerBound: null };
  if (Number.isNaN(auc)) {
    return { ...none, promoted: false, reason: "the holdout rows lack one of the two classes" };
  }
  const text = auc.toFixed(4);
  if (champion === null) {
    const promoted = auc > minHoldoutAuc;
    const reason = promoted
      ? `holdout AUC ${text}; there was no champion`
      : `holdout AUC ${text} is not above ${minHoldoutAuc}`;
    return { ...none, holdoutAuc: auc, promoted, reason };
  }
  const championAuc = areaUnderRocOf(champion, labels);
  const bound = gainLowerBound(labels, challenger, champion, seed);
  const measured = { holdoutAuc: auc, championAuc, gainLowerBound: bound };
  const against = `against the champion's ${championAuc.toFixed(4)}`;
  if (!(auc > minHoldoutAuc)) {
    const reason = `holdout AUC ${text} is not above ${minHoldoutAuc}`;
    return { ...measured, promoted: false, reason };
  }
  if (!(auc > championAuc)) {
    return { ...measured, promoted: false, reason: `holdout AUC ${text} is no gain ${against}` };
  }
  const bounded = `the 99 % bound of the gain is ${bound.toFixed(4)}`;
  if (!(bound > minGainLowerBound)) {
    const reason = `holdout AUC ${text} ${against}, but ${bounded}, not above ${minGainLowerBound}`;
    return { ...measured, promoted: false, reason };
  }
  return { ...measured, promoted: true, reason: `holdout AUC ${text} ${against}; ${bounded}` };
}
