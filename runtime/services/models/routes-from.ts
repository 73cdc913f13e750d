import {
  arranged,
  type ModelRoutes,
  noRoutes,
  type WantedShare,
} from "../../../schemas/model-routes.ts";

/** A version and its share, from 0 to 1. */
export interface AskedShare {
  readonly version: string;
  readonly share: number;
}

/** Who is to answer besides the champion. */
export interface AskedRoutes {
  /** Becomes champion with it; null: the champion stays. */
  readonly champion: string | null;
  /** Shares that are 1 together at most; who is not named has none from then on. */
  readonly challengers: readonly AskedShare[];
  /** Null: nobody scores beside, or for a segment: who does stays. */
  readonly shadow: AskedShare | null;
  /** Whose challengers these are; null: those of all records without challengers of their own. */
  readonly segment: string | null;
}

/**
 * The routes after a change. Keys stay with their challengers as far as shares allow; a segment
 * that is given no challengers goes by those of all records again. Where neither
 * challenger nor shadow is named for all records, those of segments end, too.
 *
 * @param sha256Of - artifact of a version; throws where there is none.
 */
export function routesFrom(
  before: ModelRoutes,
  { challengers, shadow, segment }: AskedRoutes,
  sha256Of: (version: string) => string,
): ModelRoutes {
  const wanted = challengers.map(({ version, share }): WantedShare => {
    return { version, share, sha256: sha256Of(version) };
  });
  if (segment !== null) {
    const { [segment]: had, ...others } = before.segments;
    const own = arranged(had ?? before.challengers, wanted);
    const segments = challengers.length === 0 ? others : { ...others, [segment]: own };
    return { ...before, segments };
  }
  if (challengers.length === 0 && shadow === null) return noRoutes;
  const { segments } = before;
  return {
    challengers: arranged(before.challengers, wanted),
    segments,
    shadow: shadow === null ? null : { ...shadow, sha256: sha256Of(shadow.version) },
  };
}
