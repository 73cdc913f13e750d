/** A key and its value, as tags and parameters are. */
export interface Pair {
  readonly key: string;
  readonly value: string;
}

/** A number as JSON has it, or one of those that JSON has not. */
export type LoggedNumber = number | "NaN" | "Infinity" | "-Infinity";

export interface LoggedMetric {
  readonly key: string;
  readonly value: LoggedNumber;
  /** UTC ms. */
  readonly timestamp: number;
  readonly step: number;
  readonly modelId?: string;
  readonly datasetName?: string;
  readonly datasetDigest?: string;
}

/** A file of the artifact store. */
export interface StoredFile {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Files by their paths, as they were when a version was made. */
export type StoredFiles = Readonly<Record<string, StoredFile>>;

export interface DatasetInput {
  readonly tags: readonly Pair[];
  readonly dataset: Readonly<Record<string, string>>;
}

export const runStatuses = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"] as const;
export type RunStatus = (typeof runStatuses)[number];

export const loggedModelStatuses = [
  "LOGGED_MODEL_STATUS_UNSPECIFIED",
  "LOGGED_MODEL_PENDING",
  "LOGGED_MODEL_READY",
  "LOGGED_MODEL_UPLOAD_FAILED",
] as const;
export type LoggedModelStatus = (typeof loggedModelStatuses)[number];

/** A run that nobody has logged, whole. */
export interface AdoptedRun {
  readonly run: string;
  /** Name of its experiment, which is made when it is not there. */
  readonly experiment: string;
  readonly user: string;
  readonly name: string;
  readonly status: RunStatus;
  /** UTC ms. */
  readonly startTime: number;
  readonly endTime: number;
  readonly params: readonly Pair[];
  readonly metrics: readonly LoggedMetric[];
  readonly tags: readonly Pair[];
  readonly datasets: readonly DatasetInput[];
}

/** What a command asks for, by its kind. */
export interface TrackingCommands {
  "experiment.create": { name: string; location: string; tags: readonly Pair[] };
  "experiment.rename": { experiment: string; name: string };
  "experiment.delete": { experiment: string };
  "experiment.restore": { experiment: string };
  "experiment.tag": Tagged<{ experiment: string }>;
  "run.create": {
    run: string;
    experiment: string;
    user: string;
    name: string;
    startTime: number;
    tags: readonly Pair[];
  };
  /** A training that is found where its answer stands: nothing where the run is there already. */
  "run.adopt": AdoptedRun;
  "run.update": { run: string; status?: RunStatus; endTime?: number; name?: string };
  "run.delete": { run: string };
  "run.restore": { run: string };
  "run.log": {
    run: string;
    metrics: readonly LoggedMetric[];
    params: readonly Pair[];
    tags: readonly Pair[];
  };
  "run.untag": { run: string; key: string };
  "run.inputs": {
    run: string;
    datasets: readonly DatasetInput[];
    models: readonly string[];
  };
  "run.outputs": { run: string; models: readonly { modelId: string; step: number }[] };
  "logged-model.create": {
    model: string;
    experiment: string;
    name: string;
    type: string;
    run: string;
    params: readonly Pair[];
    tags: readonly Pair[];
  };
  "logged-model.finish": { model: string; status: LoggedModelStatus };
  "logged-model.delete": { model: string };
  "logged-model.params": { model: string; params: readonly Pair[] };
  "logged-model.tag": { model: string; tags: readonly Pair[] };
  "logged-model.untag": { model: string; key: string };
  "name.create": { name: string; tags: readonly Pair[]; description: string };
  "name.rename": { name: string; newName: string };
  "name.describe": { name: string; description: string };
  "name.delete": { name: string };
  "name.tag": Tagged<{ name: string }>;
  "alias.set": { name: string; alias: string; version: number; why: string };
  "alias.delete": { name: string; alias: string };
  "version.create": {
    name: string;
    /** What the model register calls it; "": no step scores by the model. */
    native: string;
    /** Of the artifact that serves; "": none does. */
    sha256: string;
    source: string;
    run: string;
    runLink: string;
    /** Id of the logged model that it was; "": of none. */
    model: string;
    description: string;
    tags: readonly Pair[];
    files: StoredFiles;
    why: string;
    /** Of an adopted one: when the register has it from, UTC ms. @default when it is adopted */
    madeAt?: number;
  };
  /** What came another way than by a client: nothing where there is such a version already. */
  "version.adopt": TrackingCommands["version.create"];
  "version.describe": { name: string; version: number; description: string };
  "version.delete": { name: string; version: number };
  "version.stage": { name: string; version: number; stage: string; archive: boolean };
  "version.tag": Tagged<{ name: string; version: number }>;
  "artifact.put": { path: string; file: StoredFile };
  "artifact.delete": { path: string };
}

/** A tag that is set, or with null removed. */
type Tagged<Of> = Of & { key: string; value: string | null };

export type TrackingKind = keyof TrackingCommands;

/** Who sends a command, and when. */
export interface TrackingHead {
  /** Unique: a command that is written twice counts once. */
  readonly id: string;
  /** UTC ms. */
  readonly at: number;
  readonly by: string;
}

/**
 * What somebody has asked the log of experiments, runs and registered models to note, as it stands
 * there until a snapshot covers it. Whether it holds is decided by what stands before it, by every
 * reader alike.
 */
export type TrackingCommand = { [K in TrackingKind]: TrackingCommandOf<K> }[TrackingKind];

export type TrackingCommandOf<K extends TrackingKind> = TrackingHead & {
  readonly kind: K;
} & Readonly<TrackingCommands[K]>;
