import type { ModelChange } from "../../../schemas/model-change.ts";
import type { Plan } from "../../../schemas/plan.ts";
import { quoteText } from "../../../schemas/sql-text.ts";
import type { OfflineStore } from "../../../sinks/store.ts";

/** A version of a model, and from when on it was champion where it was. */
export interface Version {
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly sha256: string;
  /** UTC ms. */
  readonly effectiveFrom: number;
}

/** A version that a training ended with. */
export interface TrainedVersion extends Version {
  readonly promoted: boolean;
  readonly champion: string | null;
  readonly reason: string;
}

/** The trainer's versions of a model, as the offline store has them; none without a trainer. */
export async function trainedVersions(
  plan: Plan,
  model: string,
  offline: Pick<OfflineStore, "query">,
): Promise<TrainedVersion[]> {
  if (!plan.topics.some(({ role }) => role === "models")) return [];
  return await offline.query<TrainedVersion>(
    `SELECT version, sha256, toBool(promoted) AS promoted, reason, champion_version AS champion,
      toFloat64(toUnixTimestamp64Milli(effective_from)) AS "effectiveFrom"
    FROM models
    WHERE topology = ${quoteText(plan.name)} AND model = ${quoteText(model)}
    ORDER BY effective_from, version`,
  );
}

/** Champions in the order in which they came into force: trained ones and those that were named. */
export function championsOf(
  changes: readonly ModelChange[],
  trained: readonly TrainedVersion[],
): Version[] {
  const all: Version[] = [
    ...trained.filter(({ promoted }) => promoted),
    ...changes.filter(({ champion }) => champion),
  ];
  return all.sort((a, b) => a.effectiveFrom - b.effectiveFrom);
}

/**
 * Those of champions that have come into force, in their order.
 *
 * @param now - of a live run, UTC ms; null: a replay, in which all of them do.
 */
export function inForce<V extends Pick<Version, "effectiveFrom">>(
  champions: readonly V[],
  now: number | null,
): readonly V[] {
  return now === null ? champions : champions.filter((each) => each.effectiveFrom <= now);
}
