import {
  bucketCount,
  bucketOf,
  challengerOf,
  isSampled,
  type ModelRoutes,
} from "../../schemas/model-routes.ts";
import type { RoutingSpec } from "../../schemas/steps/predictions.ts";
import type { Told } from "./label-join.ts";
import type { FallbackReason, ModelInForce } from "./model-register.ts";

/** Who is to answer a record, and who scores it beside. */
export interface Assignment {
  /** Of its key. */
  readonly bucket: number;
  /** Of the record; null: it has none. */
  readonly segment: string | null;
  /** In place of the champion; null: the champion answers. */
  readonly challenger: ModelInForce | null;
  /** Null: nobody scores beside. */
  readonly shadow: ModelInForce | null;
}

/** A row that another model than that of its prediction is asked for. */
export interface RowBeside {
  readonly model: ModelInForce;
  readonly row: number;
}

/** What becomes of the assignment of a prediction. */
export interface Routed {
  readonly assignment: Assignment;
  /** Version of the champion in force; "" is none. */
  readonly champion: string;
  /** Of who answers where the challenger does not; null: nobody stands by. */
  standby: RowBeside | null;
  /** Null: nobody scores beside. */
  shadow: RowBeside | null;
  /** Why the challenger does not answer that was to; null: it does, or none was to. */
  rerouted: FallbackReason | null;
  shadowScore: number | null;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Who answers which record: pure, by the routes that are in force, the key of the record and its
 * segment. A challenger has the champion before it, which answers where it cannot.
 */
export class Router {
  readonly #spec: RoutingSpec;

  constructor(spec: RoutingSpec) {
    this.#spec = spec;
  }

  /**
   * @param champion - in force.
   * @param id - of the record: shadows take a sample of these.
   * @param row - the fields of the record that the step reads.
   */
  assign(
    routes: ModelRoutes | null,
    champion: ModelInForce,
    id: string,
    row: Fields | null,
  ): Assignment {
    const { by, salt, segment: segmentField } = this.#spec;
    const bucket = bucketOf(salt, String(row?.[by]));
    const named = segmentField === null ? null : row?.[segmentField];
    const segment = named === null || named === undefined ? null : String(named);
    if (routes === null) return { bucket, segment, challenger: null, shadow: null };
    const found = challengerOf(routes, bucket, segment);
    const challenger =
      found === null || found.version === champion.version
        ? null
        : inPlaceOf(champion, found.version, found.sha256);
    const { shadow } = routes;
    const isBeside =
      shadow !== null &&
      shadow.version !== (challenger ?? champion).version &&
      isSampled(bucketOf(`${salt}/shadow`, id), shadow.share);
    return { bucket, segment, challenger, shadow: isBeside ? alone(shadow) : null };
  }
}

function alone({ version, sha256 }: { readonly version: string; readonly sha256: string }) {
  return { version, artifact: sha256, before: null };
}

function inPlaceOf(champion: ModelInForce, version: string, artifact: string): ModelInForce {
  const before = champion.version === "" ? null : champion;
  return { version, artifact, before, challenges: true };
}

/**
 * What a prediction tells of its assignment, once it is clear who has answered.
 *
 * @param version - that answered; "" is none.
 */
export function toldOf(routed: Routed, version: string): Told {
  const { assignment, champion, rerouted, shadow, shadowScore } = routed;
  const { bucket, segment, challenger } = assignment;
  const answered = challenger !== null && version === challenger.version;
  return {
    role: version === "" ? "fallback" : answered ? "challenger" : "champion",
    assigned: challenger?.version ?? (champion === "" ? null : champion),
    rerouted,
    bucket: bucket / bucketCount,
    segment,
    shadowVersion: shadow?.model.version ?? null,
    shadowScore,
  };
}
