import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import type { StoredFile, TrackingCommands, TrackingKind } from "../../schemas/tracking-command.ts";
import { trackingTopic } from "../../topologies/dsl/compile/topics.ts";
import type { ArtifactStore, Artifacts } from "../services/train/artifacts.ts";
import { checkPath } from "./fold/artifacts.ts";
import type { TrackingState } from "./fold/tracking-state.ts";
import type { SnapshotsTold } from "./snapshot/known-snapshots.ts";
import { TrackingLog, type TrackingLogOptions } from "./tracking-log.ts";

/** The part of a stack that experiments, runs and registered models stand in. */
export interface TrackingStack {
  readonly broker: Broker;
  readonly artifacts: Artifacts;
}

/** What is logged, to read and to write. */
export type Tracked = Pick<Tracking, "state" | "write">;

export interface TrackingHome {
  readonly log: TrackingLog;
  readonly artifacts: ArtifactStore;
}

/**
 * Experiments, runs and models of an application. They stand in the namespace of one topology: of
 * those that score by a model the first by name.
 */
export class Tracking {
  readonly artifacts: Artifacts;
  readonly #plans: readonly Plan[];
  readonly #stack: TrackingStack;
  readonly #options: TrackingLogOptions;
  readonly #homes = new Map<string, Promise<TrackingHome>>();
  readonly #logs: TrackingLog[] = [];

  /**
   * @param plans - as they run now: the list may change.
   * @param options - of its logs.
   */
  constructor(plans: readonly Plan[], stack: TrackingStack, options: TrackingLogOptions = {}) {
    this.artifacts = stack.artifacts;
    this.#options = options;
    this.#plans = plans;
    this.#stack = stack;
  }

  /** As everybody has left it. @throws {MillraceError} TRACKING_CLOSED. */
  async state(): Promise<TrackingState> {
    return await (await this.home()).log.read();
  }

  /** As `TrackingLog.write`. @throws {MillraceError} TRACKING_CLOSED too. */
  async write<K extends TrackingKind>(
    kind: K,
    by: string,
    asked: TrackingCommands[K],
  ): Promise<unknown> {
    return await (await this.home()).log.write(kind, by, asked);
  }

  /** Keeps bytes under the path of an artifact. @throws {MillraceError} as `write`. */
  async putFile(path: string, bytes: Uint8Array, by: string): Promise<void> {
    checkPath(path);
    await this.write("artifact.put", by, { path, file: await this.keep(bytes) });
  }

  /** Keeps bytes in the artifact store, under no path yet. */
  async keep(bytes: Uint8Array): Promise<StoredFile> {
    const sha256 = await (await this.home()).artifacts.put(bytes);
    return { sha256, sizeBytes: bytes.length };
  }

  async fileBytes({ sha256 }: StoredFile): Promise<Buffer> {
    return await (await this.home()).artifacts.get(sha256);
  }

  /** What the logs that were read have of snapshots. */
  get snapshots(): readonly SnapshotsTold[] {
    return this.#logs.flatMap(({ snapshots }) => snapshots ?? []);
  }

  async close(): Promise<void> {
    for (const home of this.#homes.values()) await (await home.catch(() => null))?.log.close();
  }

  /** Where it all stands. @throws {MillraceError} TRACKING_CLOSED. */
  async home(): Promise<TrackingHome> {
    const [plan] = this.#plans
      .filter((each) => topologyOf(each) === each.name && predictionsOf(each).length > 0)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    if (plan === undefined) throw new MillraceError("TRACKING_CLOSED");
    const open = this.#homes.get(plan.name) ?? this.#open(plan);
    this.#homes.set(plan.name, open);
    try {
      return await open;
    } catch (error) {
      this.#homes.delete(plan.name);
      throw error;
    }
  }

  async #open({ name, topics }: Plan): Promise<TrackingHome> {
    const { broker, artifacts } = this.#stack;
    const topic = trackingTopic(name);
    await broker.createTopics(topics.filter((each) => each.name === topic));
    const log = new TrackingLog(broker, topic, this.#options);
    this.#logs.push(log);
    return { log, artifacts: artifacts.of(name) };
  }
}
