import type { PromoteWhen } from "../../schemas/steps/training.ts";
import { areaUnderRocOf } from "../drift/auc.ts";
import { aucGain, lowerBound } from "./auc-gain.ts";

/** A model whose AUC on the holdout is not above this is never promoted. */
export const minHoldoutAuc = 0.6;

/** Fewer held-out rows of either class than this allow no comparison. */
export const minClassRows = 50;

/**
 * Chance that a champion is ever replaced by challengers that do not deserve it: below 5 %, with
 * room for the normal approximation of the bound.
 */
export const falsePromotionLevel = 0.04;

/** Σ 1 / k³ over all k from 1. */
const zeta3 = 1.202_056_903_159_594_2;

/**
 * Level of a look: what is spent of {@link falsePromotionLevel} when a champion meets its
 * challenger of this number, 1 / (ζ(3) · look³) of it. All looks together spend no more than the
 * whole, however many there are and whatever their rows have in common; most of it goes to the
 * first, so that a gain of 0.006 is seen at once in 4,000 rows.
 *
 * @param look - from 1.
 * @see Tian and Ramdas, Online control of the familywise error rate, 2021 (alpha-spending)
 */
export function levelOfLook(look: number): number {
  return falsePromotionLevel / (zeta3 * look ** 3);
}

export interface GateVerdict {
  readonly promoted: boolean;
  /** For people. */
  readonly reason: string;
  /** null where the holdout lacks a class. */
  readonly holdoutAuc: number | null;
  readonly championAuc: number | null;
  /** At the level of the look. */
  readonly gainLowerBound: number | null;
}

/** What a challenger is held against. */
export interface GateRule {
  readonly promoteWhen: PromoteWhen;
  /** How many challengers the champion has met, with this one. */
  readonly look: number;
}

/**
 * Decides whether a challenger replaces the champion, on the same holdout rows: its AUC must be
 * above {@link minHoldoutAuc}, and where there is a champion the lower bound of its gain must be
 * above 0, or above −by where the topology asks for a model that is not worse. The bound is
 * one-sided, at {@link levelOfLook}.
 */
export function judge(
  labels: Uint8Array,
  challenger: Float64Array,
  champion: Float64Array | null,
  { promoteWhen, look }: GateRule,
): GateVerdict {
  const auc = areaUnderRocOf(challenger, labels);
  const none = { holdoutAuc: null, championAuc: null, gainLowerBound: null };
  if (Number.isNaN(auc)) {
    return { ...none, promoted: false, reason: "the holdout rows lack one of the two classes" };
  }
  const text = auc.toFixed(4);
  const tooLow = `holdout AUC ${text} is not above ${minHoldoutAuc}`;
  if (champion === null) {
    const promoted = auc > minHoldoutAuc;
    const reason = promoted ? `holdout AUC ${text}; there was no champion` : tooLow;
    return { ...none, holdoutAuc: auc, promoted, reason };
  }
  const championAuc = areaUnderRocOf(champion, labels);
  const rows = rowsOfRarerClass(labels);
  if (rows < minClassRows) {
    const reason = `${rows} held-out rows of a class are too few; ${minClassRows} are needed`;
    return { ...none, holdoutAuc: auc, championAuc, promoted: false, reason };
  }
  const level = levelOfLook(look);
  const bound = lowerBound(aucGain(labels, challenger, champion), level);
  const measured = { holdoutAuc: auc, championAuc, gainLowerBound: bound };
  if (!(auc > minHoldoutAuc)) return { ...measured, promoted: false, reason: tooLow };
  const limit = promoteWhen.kind === "better" ? 0 : -promoteWhen.by;
  const promoted = bound > limit;
  const reason =
    `holdout AUC ${text} against the champion's ${championAuc.toFixed(4)}; the lower bound of the ` +
    `gain is ${bound.toFixed(4)}${promoted ? "" : `, not above ${limit}`} ` +
    `(look ${look}, level ${level.toPrecision(2)})`;
  return { ...measured, promoted, reason };
}

function rowsOfRarerClass(labels: Uint8Array): number {
  let positives = 0;
  for (const label of labels) positives += label;
  return Math.min(positives, labels.length - positives);
}
