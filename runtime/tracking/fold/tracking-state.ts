import type {
  DatasetInput,
  LoggedModelStatus,
  RunStatus,
  StoredFile,
} from "../../../schemas/tracking-command.ts";
import { FileTree } from "./file-tree.ts";
import type { ModelNote } from "./model-note.ts";

export type LifecycleStage = "active" | "deleted";

export interface Experiment {
  readonly id: string;
  name: string;
  readonly location: string;
  stage: LifecycleStage;
  readonly createdAt: number;
  updatedAt: number;
  readonly tags: Map<string, string>;
}

export interface MetricPoint {
  readonly key: string;
  /** May be NaN or infinite. */
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
  readonly modelId?: string;
  readonly datasetName?: string;
  readonly datasetDigest?: string;
}

export interface Run {
  readonly id: string;
  readonly experiment: string;
  readonly user: string;
  name: string;
  status: RunStatus;
  readonly startTime: number;
  /** 0: it goes on. */
  endTime: number;
  stage: LifecycleStage;
  /** Whether it was deleted with its experiment, and comes back with it. */
  wentWithExperiment: boolean;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  readonly metrics: Map<string, { readonly points: MetricPoint[]; latest: MetricPoint }>;
  readonly datasets: DatasetInput[];
  readonly modelInputs: string[];
  readonly modelOutputs: { readonly modelId: string; readonly step: number }[];
}

/** A model that a run has logged, whether a version of a registered model or not. */
export interface LoggedModel {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  readonly type: string;
  readonly run: string;
  readonly createdAt: number;
  updatedAt: number;
  status: LoggedModelStatus;
  stage: LifecycleStage;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
}

export interface ModelVersion {
  readonly number: number;
  /** What the model register calls it; "": no step scores by the model. */
  readonly native: string;
  /** Of the artifact that serves; "": none does. */
  readonly sha256: string;
  readonly createdAt: number;
  updatedAt: number;
  readonly user: string;
  readonly source: string;
  readonly run: string;
  readonly runLink: string;
  readonly loggedModel: string;
  description: string;
  stage: string;
  readonly tags: Map<string, string>;
  /** As they were when it was registered. */
  readonly files: FileTree<StoredFile>;
}

export interface RegisteredModel {
  name: string;
  readonly createdAt: number;
  updatedAt: number;
  readonly user: string;
  description: string;
  /** Number of the next version: none is given twice. */
  next: number;
  readonly tags: Map<string, string>;
  readonly aliases: Map<string, number>;
  readonly versions: Map<number, ModelVersion>;
  /** Numbers by what the model register calls the versions, deleted ones too. */
  readonly natives: Map<string, number>;
}

/** All that the log says, as of its last command. */
export interface TrackingState {
  readonly experiments: Map<string, Experiment>;
  readonly experimentsByName: Map<string, Experiment>;
  nextExperiment: number;
  readonly runs: Map<string, Run>;
  readonly loggedModels: Map<string, LoggedModel>;
  readonly registeredModels: Map<string, RegisteredModel>;
  /** By the name of a model what became of it, deleted ones too. */
  readonly modelHistory: Map<string, ModelNote[]>;
  /** Of runs and logged models, by the paths of their artifacts. */
  readonly files: FileTree<StoredFile>;
}

/** Where artifacts stand, for clients: they ask the gateway for them. */
export const artifactScheme = "mlflow-artifacts:";

/** What is there before anybody has logged anything: the experiment that clients take to be. */
export function emptyTracking(): TrackingState {
  const first: Experiment = {
    ...{ id: "0", name: "Default", location: `${artifactScheme}/0`, stage: "active" },
    ...{ createdAt: 0, updatedAt: 0, tags: new Map() },
  };
  const state = nothingTracked();
  state.experiments.set(first.id, first);
  state.experimentsByName.set(first.name, first);
  return state;
}

/** Not even that. */
export function nothingTracked(): TrackingState {
  return {
    experiments: new Map(),
    experimentsByName: new Map(),
    nextExperiment: 1,
    runs: new Map(),
    loggedModels: new Map(),
    registeredModels: new Map(),
    modelHistory: new Map(),
    files: new FileTree(),
  };
}

export function runArtifacts({ id, experiment }: Pick<Run, "id" | "experiment">): string {
  return `${experiment}/${id}/artifacts`;
}

export function loggedModelArtifacts({
  id,
  experiment,
}: Pick<LoggedModel, "id" | "experiment">): string {
  return `${experiment}/models/${id}/artifacts`;
}
