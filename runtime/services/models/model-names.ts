import { createHash, randomUUID } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Broker } from "../../../broker/broker.ts";
import { RecordBatchBuilder } from "../../../broker/record-batch/builder.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import {
  type ModelChange,
  type ModelChecked,
  routesAfter,
  type ScorerChoice,
} from "../../../schemas/model-change.ts";
import { noRoutes, versionsIn } from "../../../schemas/model-routes.ts";
import { nearest } from "../../../schemas/nearest.ts";
import type { Plan, PredictionFacts } from "../../../schemas/plan.ts";
import { predictionsOf } from "../../../schemas/plan-facts.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { modelRegisterTopic } from "../../../topologies/dsl/compile/topics.ts";
import type { ArtifactStore, Artifacts } from "../train/artifacts.ts";
import { checkInProcess } from "./check-in-process.ts";
import { type CheckedRows, goldenRows, madeRows, storedRows } from "./check-rows.ts";
import { ModelTail } from "./model-tail.ts";
import {
  championsOf,
  inForce,
  type TrainedVersion,
  trainedVersions,
  type Version,
} from "./model-versions.ts";
import { oneHotTexts } from "./one-hot-texts.ts";
import { type AskedRoutes, routesFrom } from "./routes-from.ts";
import { unreadable } from "./unreadable.ts";

/** A larger file is refused: every machine and thread that scores holds it. */
const maxModelBytes = 64 * 1024 * 1024;

/** The stores that the models of an application stand in. */
export interface ModelStores {
  readonly broker: Broker;
  readonly offline: OfflineStore;
  readonly artifacts: Artifacts;
}

/** Who changes something, from when on, and why. */
export interface ModelIntent {
  /** Event time; null: from now on, in a replay behind its predictions and champions. */
  readonly effectiveFrom: number | null;
  readonly by: string;
  readonly why: string;
}

/** A file to register, and what is said of it. */
export interface ModelCandidate {
  readonly file: string;
  /** JSON file of golden rows; null: rows of the offline store. */
  readonly golden: string | null;
  readonly tolerance: number;
  readonly order: readonly string[] | null;
  readonly output: string | null;
  readonly positive: string | null;
  readonly logit: boolean;
  /** @default "auto" */
  readonly scorer?: ScorerChoice;
}

/** What the name of a model stands for, in one topology: reads it and changes it. */
export class ModelNames {
  readonly topology: string;
  readonly #plan: Plan;
  readonly #steps: readonly PredictionFacts[];
  readonly #model: string;
  readonly #broker: Broker;
  readonly #offline: OfflineStore;
  readonly #artifacts: ArtifactStore;
  readonly #now: () => number | null;

  /**
   * @param now - of a live run; null: a replay, whose time is that of its records.
   * @throws {MillraceError} LOOK_UNKNOWN where no step scores by that name.
   */
  constructor(plan: Plan, model: string, stores: ModelStores, now: () => number | null) {
    const steps = predictionsOf(plan);
    this.#steps = steps.filter((step) => step.model.name === model);
    if (this.#steps.length === 0) {
      const known = steps.map((step) => step.model.name);
      throw new MillraceError("LOOK_UNKNOWN", {
        what: "model",
        name: model,
        near: nearest(model, known),
      });
    }
    this.topology = plan.name;
    this.#plan = plan;
    this.#model = model;
    this.#broker = stores.broker;
    this.#offline = stores.offline.of(plan.name);
    this.#artifacts = stores.artifacts.of(plan.name);
    this.#now = now;
  }

  /** The changes that count, and the versions of the trainer, each in its order. */
  async state(): Promise<{
    readonly changes: readonly ModelChange[];
    readonly trained: readonly TrainedVersion[];
    /** All, also those that have yet to come into force. */
    readonly champions: readonly Version[];
    /** Those that have; the last is the present one. */
    readonly served: readonly Version[];
  }> {
    await this.#createTopic();
    const tail = new ModelTail(this.#broker, modelRegisterTopic(this.topology));
    const changes = await tail.changes(this.#model);
    const trained = await trainedVersions(this.#plan, this.#model, this.#offline);
    const champions = championsOf(changes, trained);
    return { changes, trained, champions, served: inForce(champions, this.#now()) };
  }

  /**
   * Checks a file against every step that scores by the name, and registers it as a new version.
   *
   * @throws {MillraceError} MODEL_REFUSED saying what to change; MODEL_CHANGE_LOST;
   * ARTIFACTS_UNREACHABLE.
   */
  async register(
    candidate: ModelCandidate,
    intent: ModelIntent,
    champion: boolean,
  ): Promise<ModelChange> {
    const { file } = candidate;
    const size = await sizeOfFile(file);
    if (size > maxModelBytes) {
      throw refused(
        `${file} has ${size} bytes, more than the ${maxModelBytes} that a model may have`,
      );
    }
    const rows = await this.#rows(candidate);
    const passed = await this.#check(candidate, rows);
    const { changes, champions, served } = await this.state();
    const sha256 = await this.#artifacts.put(passed.artifact);
    const checked: ModelChecked = {
      file,
      sizeBytes: size,
      fileSha256: createHash("sha256")
        .update(await readFile(file))
        .digest("hex"),
      rows: rows.values.length / passed.reading.width,
      rowsFrom: rows.from,
      msPerRow: passed.msPerRow,
      alone: passed.reading.alone,
      ...(passed.notNative === null
        ? { scorer: "native" as const }
        : { scorer: "onnxruntime" as const, notNative: passed.notNative }),
      ...(passed.notExplained === null ? {} : { notExplained: passed.notExplained }),
    };
    const registered = changes.filter(({ kind }) => kind === "register").length;
    const version = `r${registered + 1}`;
    const from = champion ? (served.at(-1)?.version ?? "") : "";
    return await this.#write(changes, champions, intent, {
      kind: "register",
      version,
      sha256,
      champion,
      from,
      checked,
    });
  }

  /** @throws {MillraceError} MODEL_VERSION_UNKNOWN, MODEL_CHANGE_LOST. */
  async promote(version: string, intent: ModelIntent): Promise<ModelChange> {
    const { changes, trained, champions, served } = await this.state();
    const { sha256 } = this.#known(version, changes, trained);
    const from = served.at(-1)?.version ?? "";
    return await this.#write(changes, champions, intent, {
      kind: "promote",
      version,
      sha256,
      champion: true,
      from,
      checked: null,
    });
  }

  /** @throws {MillraceError} MODEL_NO_PREVIOUS where there was no other champion before. */
  async rollBack(intent: ModelIntent): Promise<ModelChange> {
    const { changes, champions, served } = await this.state();
    const present = served.at(-1);
    const before = served.findLast(({ version }) => version !== present?.version);
    if (present === undefined || before === undefined) {
      throw new MillraceError("MODEL_NO_PREVIOUS", {
        model: this.#model,
        champions: present === undefined ? "none so far" : `${present.version} alone`,
      });
    }
    const { version, sha256 } = before;
    return await this.#write(changes, champions, intent, {
      kind: "rollback",
      version,
      sha256,
      champion: true,
      from: present.version,
      checked: null,
    });
  }

  /**
   * Says who answers besides the champion from now on; what it said before ends.
   *
   * @throws {MillraceError} MODEL_UNROUTED, MODEL_VERSION_UNKNOWN, MODEL_ROUTE_TO_CHAMPION,
   * MODEL_CHANGE_LOST.
   */
  async route(asked: AskedRoutes, intent: ModelIntent): Promise<ModelChange> {
    const routing = this.#steps.flatMap((step) => step.routing ?? []);
    const has = routing.some(({ segment }) => asked.segment === null || segment !== null);
    if (!has) {
      const segment = asked.segment === null ? "" : ', segment: "<field>"';
      const wanted = `routed: { by: "<field>"${segment} }`;
      throw new MillraceError("MODEL_UNROUTED", { model: this.#model, wanted });
    }
    const { changes, trained, champions, served } = await this.state();
    const present = served.at(-1);
    const champion = asked.champion ?? present?.version ?? "";
    // For a segment it may: there it can hold off those of all records.
    const besides = [...asked.challengers, ...(asked.shadow === null ? [] : [asked.shadow])];
    if (asked.segment === null && besides.some(({ version }) => version === champion)) {
      throw new MillraceError("MODEL_ROUTE_TO_CHAMPION", { model: this.#model, version: champion });
    }
    const known = (version: string) => this.#known(version, changes, trained).sha256;
    const routes = routesFrom(routesAfter(changes), asked, known);
    return await this.#write(changes, champions, intent, {
      kind: "route",
      version: champion,
      sha256: asked.champion === null ? (present?.sha256 ?? "") : known(asked.champion),
      champion: asked.champion !== null,
      from: present?.version ?? "",
      checked: null,
      routes,
    });
  }

  /**
   * A version and where its artifact stands on this machine; null: the champion.
   *
   * @throws {MillraceError} MODEL_NO_CHAMPION, MODEL_VERSION_UNKNOWN.
   */
  async file(version: string | null): Promise<{ version: string; sha256: string; path: string }> {
    const { changes, trained, served } = await this.state();
    const found = version === null ? served.at(-1) : this.#known(version, changes, trained);
    if (found === undefined) {
      throw new MillraceError("MODEL_NO_CHAMPION", {
        model: this.#model,
        known: versionsText([...changes, ...trained]),
      });
    }
    await this.#artifacts.ensure(found.sha256);
    const path = join(this.#artifacts.directory, `${found.sha256}.onnx`);
    return { version: found.version, sha256: found.sha256, path };
  }

  #known(
    version: string,
    changes: readonly ModelChange[],
    trained: readonly TrainedVersion[],
  ): Version {
    const all = [...changes, ...trained].filter(({ sha256 }) => sha256 !== "");
    const found = all.find((each) => each.version === version);
    if (found !== undefined) return found;
    throw new MillraceError("MODEL_VERSION_UNKNOWN", {
      model: this.#model,
      version,
      known: versionsText(all),
    });
  }

  async #rows({ golden, order }: ModelCandidate): Promise<CheckedRows> {
    const [step] = this.#steps as [PredictionFacts];
    if (golden !== null) return await goldenRows(golden, step.features, order);
    return (await storedRows(this.#offline, step)) ?? madeRows(step.features.length);
  }

  async #check(candidate: ModelCandidate, rows: CheckedRows) {
    const [step, ...others] = this.#steps as [PredictionFacts, ...PredictionFacts[]];
    const features = step.features.join(", ");
    const other = others.find((each) => each.features.join(", ") !== features);
    if (other !== undefined) {
      throw refused(
        `the steps ${step.name} and ${other.name} score by ${this.#model} with other features each: ` +
          "give them models of different names",
      );
    }
    const { file, order, output, positive, logit, tolerance, scorer } = candidate;
    return await checkInProcess({
      file,
      declaration: {
        features: step.features,
        texts: oneHotTexts(step),
        logit,
        ...(order === null ? {} : { order }),
        ...(output === null ? {} : { output }),
        ...(positive === null ? {} : { positive }),
      },
      rows: rows.values,
      scores: rows.scores,
      tolerance,
      ...(scorer === undefined ? {} : { scorer }),
      explains: this.#steps.some(({ explains }) => explains === true),
      limitMs: Math.min(...this.#steps.map(({ deadlineMs }) => deadlineMs)),
    });
  }

  /** Appends a change, and looks whether it counts. A new champion ends routes: it says so. */
  async #write(
    changes: readonly ModelChange[],
    champions: readonly Version[],
    { effectiveFrom, by, why }: ModelIntent,
    made: Omit<ModelChange, "id" | "after" | "model" | "effectiveFrom" | "at" | "by" | "why">,
  ): Promise<ModelChange> {
    const change: ModelChange = {
      id: randomUUID(),
      after: changes.at(-1)?.id ?? "",
      model: this.#model,
      ...(made.champion && versionsIn(routesAfter(changes)).length > 0 ? { routes: noRoutes } : {}),
      ...made,
      effectiveFrom: effectiveFrom ?? this.#now() ?? (await this.#endOfReplay(champions)),
      at: Date.now(),
      by,
      why,
    };
    const topic = modelRegisterTopic(this.topology);
    const batch = new RecordBatchBuilder();
    batch.append(
      Buffer.from(change.model, "utf8"),
      Buffer.from(JSON.stringify(change), "utf8"),
      change.at,
    );
    const producer = await this.#broker.producer({ transactionalId: null });
    try {
      await producer.send([{ topic, partition: 0, batch: batch.build() }]);
    } finally {
      await producer.close();
    }
    const counted = await new ModelTail(this.#broker, topic).changes(this.#model);
    if (counted.some(({ id }) => id === change.id)) return change;
    const first = counted.find(({ after }) => after === change.after);
    throw new MillraceError("MODEL_CHANGE_LOST", {
      model: this.#model,
      by: first?.by ?? "",
      change: `${first?.kind} of ${first?.version}`,
    });
  }

  /** Behind its predictions, and behind champions that have yet to come into force. */
  async #endOfReplay(champions: readonly Version[]): Promise<number> {
    const until = await this.#predictedUntil();
    const last = champions.at(-1)?.effectiveFrom ?? until;
    return last > until ? last + 1 : until;
  }

  async #predictedUntil(): Promise<number> {
    const [step] = this.#steps as [PredictionFacts];
    const [row] = await this.#offline.query<{ until: number | null }>(
      `SELECT toFloat64(max(toUnixTimestamp64Milli(known_at))) AS until FROM ${step.name}`,
    );
    return row?.until ?? 0;
  }

  async #createTopic(): Promise<void> {
    const name = modelRegisterTopic(this.topology);
    await this.#broker.createTopics(this.#plan.topics.filter((topic) => topic.name === name));
  }
}

/** @throws {MillraceError} MODEL_REFUSED where there is no file, or none that may be read. */
async function sizeOfFile(file: string): Promise<number> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new MillraceError("MODEL_REFUSED", { reason: unreadable(file, cause) }, { cause });
  });
  if (!found.isFile()) throw refused(`${file} is no file: name the ONNX file itself`);
  return found.size;
}

/** All versions, each once; those of a route, which has no artifact, are none. */
function versionsText(all: readonly Version[]): string {
  const named = all.filter(({ sha256 }) => sha256 !== "").map(({ version }) => version);
  return [...new Set(named)].join(", ") || "none yet";
}

function refused(reason: string): MillraceError {
  return new MillraceError("MODEL_REFUSED", { reason });
}
