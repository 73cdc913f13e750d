import type { ScorerChoice } from "../schemas/model-change.ts";
import type { ModelRoutes } from "../schemas/model-routes.ts";
import type { RoleLine } from "./model-roles.ts";

/** What is done with models of a running or a finished run; answers are plain JSON values. */
export interface ModelDesk {
  registerModel(request: RegisterRequest): Promise<ModelEntry>;
  /** Makes a version champion that is known already. */
  promoteModel(request: PromoteRequest): Promise<ModelEntry>;
  /** Makes the champion before the present one champion again. */
  rollBackModel(request: ModelRequest): Promise<ModelEntry>;
  /** Says who answers besides the champion, and for which share of the records. */
  routeModel(request: RouteRequest): Promise<ModelEntry>;
  /** Every change of what a model's name stands for, oldest first, the trainer's included. */
  modelHistory(request: NamedModel): Promise<ModelEntry[]>;
  /** How versions of a routed model did in each role, by their outcomes. */
  compareModel(request: NamedModel): Promise<RoleLine[]>;
  /** Where the artifact of a version stands on this machine. */
  modelFile(request: AskedVersion): Promise<ModelFile>;
}

/** Names of the methods that may be asked for from outside the process. */
export const modelDeskMethods = [
  "registerModel",
  "promoteModel",
  "rollBackModel",
  "routeModel",
  "modelHistory",
  "compareModel",
  "modelFile",
] as const;

export interface NamedModel {
  readonly model: string;
  /** Whose model it is; null: of the only topology that has it. */
  readonly topology: string | null;
}

/** A version of a model by its name or by an alias. */
export interface AskedVersion extends NamedModel {
  /** null: who the alias stands for. */
  readonly version: string | null;
  /** One that MLflow's registry has, or `champion`. @default "champion" */
  readonly alias?: string | null;
}

export interface ModelRequest extends NamedModel {
  /** In force for records known after it, UTC ms; null: from now on. */
  readonly effectiveFrom: number | null;
  readonly by: string;
  readonly why: string;
}

export interface PromoteRequest extends ModelRequest {
  readonly version: string;
}

export interface RegisterRequest extends ModelRequest {
  /** An ONNX file on the machine of the run. */
  readonly file: string;
  /** Whether it becomes champion. */
  readonly champion: boolean;
  /** A JSON file with `rows`, and `scores` or `features`; null: rows of the offline store. */
  readonly golden: string | null;
  readonly tolerance: number;
  /** See `ModelDeclaration`; null: as the file says. */
  readonly order: readonly string[] | null;
  readonly output: string | null;
  readonly positive: string | null;
  readonly logit: boolean;
  /** By what it is scored. @default "auto" */
  readonly scorer?: ScorerChoice;
}

/** A version and its share of the records, from 0 to 1. */
export interface VersionShare {
  readonly version: string;
  readonly share: number;
}

export interface RouteRequest extends ModelRequest {
  /** Becomes champion with it; null: the champion stays. */
  readonly champion: string | null;
  readonly challengers: readonly VersionShare[];
  readonly shadow: VersionShare | null;
  /** Whose challengers these are; null: those of all records without challengers of their own. */
  readonly segment: string | null;
}

export interface ModelFile {
  /** The step that scores by it, the first of several, and the features that it gives. */
  readonly step: string;
  readonly features: readonly string[];
  readonly version: string;
  readonly sha256: string;
  readonly path: string;
}

/** One change, or a training's answer that made a version champion. */
export interface ModelEntry {
  readonly topology: string;
  readonly model: string;
  readonly kind: "register" | "promote" | "rollback" | "route" | "train";
  readonly version: string;
  readonly sha256: string;
  readonly champion: boolean;
  /** Champion before; "" where there was none, or it did not change. */
  readonly from: string;
  /** UTC ms. */
  readonly effectiveFrom: number;
  /** When it was written, UTC ms; null: by the trainer, in its own time. */
  readonly at: number | null;
  readonly by: string;
  readonly why: string;
  /** What the checks of a registration found; null: there were none. */
  readonly checked: object | null;
  /** Why a step that explains its scores cannot explain those of the version; null: it can. */
  readonly notExplained: string | null;
  /** Of a route: who answers from then on besides the champion, with the buckets of each. */
  readonly routes: ModelRoutes | null;
}
