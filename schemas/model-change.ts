import { type ModelRoutes, noRoutes } from "./model-routes.ts";

/**
 * By what a version is scored. `auto`: in JavaScript where that is faster and gives the bits of
 * onnxruntime, else by onnxruntime.
 */
export const scorerChoices = ["auto", "native", "onnxruntime"] as const;
export type ScorerChoice = (typeof scorerChoices)[number];

/** A change of what a model's name stands for, as it stands in the model register for good. */
export interface ModelChange {
  /** Unique: a change that is written twice counts once. */
  readonly id: string;
  /**
   * Id of the change of the same model that its writer saw last, "" for none. A change that does
   * not follow the last one that counted came too late and counts for nothing.
   */
  readonly after: string;
  readonly kind: "register" | "promote" | "rollback" | "route";
  readonly model: string;
  /** Of a route without a new champion: the champion as the writer saw it, "" for none. */
  readonly version: string;
  /** sha256 of the ONNX artifact. */
  readonly sha256: string;
  /** Whether the version becomes champion: always, but for a register without an alias. */
  readonly champion: boolean;
  /** Champion until then, as the writer saw it; "" where there was none. */
  readonly from: string;
  /** UTC ms: in force for records known after it. */
  readonly effectiveFrom: number;
  /** When it was written, UTC ms. */
  readonly at: number;
  /** Who made it, and why. */
  readonly by: string;
  readonly why: string;
  /** Of a registration: what it was registered from, and what the checks found. */
  readonly checked: ModelChecked | null;
  /**
   * Who answers from then on besides the champion: nobody, where it is left out beside a new
   * champion. Written of a route, and of another change that ends one.
   */
  readonly routes?: ModelRoutes;
}

/** What the checks of a registration found. */
export interface ModelChecked {
  readonly file: string;
  readonly sizeBytes: number;
  /** sha256 of the file as it was given. */
  readonly fileSha256: string;
  /** Rows that it was asked for, and where they came from. */
  readonly rows: number;
  readonly rowsFrom: "golden" | "offline" | "made";
  /** Of a row asked alone, the median. */
  readonly msPerRow: number;
  /** Whether rows are asked one by one. */
  readonly alone: boolean;
  /** @default "onnxruntime": it was registered when there was no other */
  readonly scorer?: Exclude<ScorerChoice, "auto">;
  /** Why it is not scored in JavaScript. @default it is, or it was registered before */
  readonly notNative?: string;
  /**
   * Why a step that explains its scores has no explanation of those of this version.
   * @default it has them, no step asks, or it was registered before
   */
  readonly notExplained?: string;
}

/** Why scores of a version cannot be explained, as its registration has found; null: it has not. */
export function notExplained(changes: readonly ModelChange[], version: string): string | null {
  const registered = changes.find((each) => each.version === version && each.checked !== null);
  return registered?.checked?.notExplained ?? null;
}

/** Whether a change says who answers. */
export function saysWhoAnswers({ champion, routes }: ModelChange): boolean {
  return champion || routes !== undefined;
}

/** The routes after some changes of one model that count. */
export function routesAfter(changes: readonly ModelChange[]): ModelRoutes {
  return changes.findLast(saysWhoAnswers)?.routes ?? noRoutes;
}

/** The changes that count, in their order: each follows the one before of its model. */
export function changesThatCount(written: Iterable<ModelChange>): ModelChange[] {
  const last = new Map<string, string>();
  const counted: ModelChange[] = [];
  for (const change of written) {
    if ((last.get(change.model) ?? "") !== change.after) continue;
    last.set(change.model, change.id);
    counted.push(change);
  }
  return counted;
}
