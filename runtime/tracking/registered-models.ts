import { join } from "node:path";
import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Model } from "../../schemas/generated.ts";
import { type ModelChange, scorerChoices } from "../../schemas/model-change.ts";
import { nearest } from "../../schemas/nearest.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { modelNames } from "../../schemas/plan-facts.ts";
import type { Pair, StoredFiles } from "../../schemas/tracking-command.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { modelRegisterTopic } from "../../topologies/dsl/compile/topics.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { ModelNames } from "../services/models/model-names.ts";
import { ModelTail } from "../services/models/model-tail.ts";
import { championsOf, inForce } from "../services/models/model-versions.ts";
import { TrainedTail } from "../services/models/trained-tail.ts";
import { registeredModelOf, versionOf } from "./fold/registered-models.ts";
import type { ModelVersion, TrackingState } from "./fold/tracking-state.ts";
import { mlmodelName, mlmodelText, onnxPathIn } from "./onnx-of-mlmodel.ts";
import type { Tracking } from "./tracking.ts";
import { trainedRun, trainedRunId } from "./trained-run.ts";

export interface RegisteredModelsStack {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly offline: OfflineStore;
}

/** A model that steps score by, and the name that it is registered under. */
interface StepModel {
  readonly name: string;
  readonly plan: Plan;
  readonly model: string;
}

/** What is registered, and of the models that steps score by the version that is champion. */
export interface Registered {
  readonly state: TrackingState;
  /** By the names of models that steps score by; null: there is no champion. */
  readonly champions: ReadonlyMap<string, number | null>;
}

/** A version that somebody wants to register. */
export interface VersionRequest {
  readonly name: string;
  readonly source: string;
  readonly run: string;
  readonly runLink: string;
  readonly model: string;
  readonly description: string;
  readonly tags: readonly Pair[];
  /** The files at the source; none: they stand elsewhere. */
  readonly files: StoredFiles;
}

/** The alias that the stream scores by. */
export const championAlias = "champion";
/** Tags of a version that say what its file cannot say of itself, as `models register` does. */
export const readingTags = {
  order: "millrace.order",
  output: "millrace.output",
  positive: "millrace.positive",
  logit: "millrace.logit",
  scorer: "millrace.scorer",
} as const;
/** The tag of a version that says why it is registered or made champion. */
export const whyTag = "millrace.why";

/** Tags that a version gets here; the last says why a step cannot explain its scores, if so. */
const ownTags: readonly string[] & readonly [string, string, string] = [
  ...(["millrace.version", "millrace.sha256", "millrace.not_explained"] as const),
];

/** Writers who lose against others look again so often. */
const triesMost = 5;

/**
 * Registered models. One that a step scores by is the model register's: its versions pass the
 * register's checks, its champion is the register's, and what came another way (`millrace models
 * register`, the trainer) is a version here, too. Any other is kept as it is logged.
 */
export class RegisteredModels {
  readonly #tracking: Tracking;
  readonly #plans: readonly Plan[];
  readonly #stack: RegisteredModelsStack;
  readonly #now: () => number | null;
  readonly #tails = new Map<string, { named: ModelTail; trained: TrainedTail | null }>();
  #syncing: Promise<Registered> | null = null;

  /**
   * @param plans - as they run now: the list may change.
   * @param now - of a live run: from when on a champion is in force; null: a replay.
   */
  constructor(
    tracking: Tracking,
    plans: readonly Plan[],
    stack: RegisteredModelsStack,
    now: () => number | null,
  ) {
    this.#tracking = tracking;
    this.#plans = plans;
    this.#stack = stack;
    this.#now = now;
  }

  /** As everybody has left it. @throws {MillraceError} TRACKING_CLOSED. */
  async read(): Promise<Registered> {
    // One that is under way may have looked before what the caller knows of.
    await this.#syncing?.catch(() => {});
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = null;
    });
    return await this.#syncing;
  }

  /** As everybody has left it, with the trainings that nobody has logged. @throws as `read`. */
  async withTrainings(): Promise<TrackingState> {
    for (const of of this.#stepModels()) await this.#adoptRuns(of);
    return await this.#tracking.state();
  }

  /** Whether steps score by the model of a name. */
  isOfStep(name: string): boolean {
    return this.#stepModels().some((each) => each.name === name);
  }

  /**
   * Registers a version; of a model that steps score by once it has passed the checks.
   *
   * @throws {MillraceError} MODEL_REFUSED saying what to change; TRACKING_UNKNOWN; as `write`.
   */
  async createVersion(asked: VersionRequest, by: string): Promise<ModelVersion> {
    const of = this.#stepModels().find(({ name }) => name === asked.name);
    const why = tagOf(asked.tags, whyTag);
    const { name, source, run, runLink, model, description, files } = asked;
    const change = of === undefined ? null : await this.#register(of, asked, by);
    const [native, sha256] = change === null ? ["", ""] : [change.version, change.sha256];
    // Those of its own may have come back with a copy of another version.
    const given = asked.tags.filter(({ key }) => change === null || !ownTags.includes(key));
    const tags = change === null ? asked.tags : [...given, ...tagsOf(change)];
    const made = await this.#tracking.write("version.create", by, {
      ...{ name, source, run, runLink, model, description, files, native, sha256, tags, why },
    });
    return made as ModelVersion;
  }

  /** @throws {MillraceError} TRACKING_UNKNOWN, TRACKING_INVALID, MODEL_CHANGE_LOST. */
  async setAlias(name: string, alias: string, version: number, by: string): Promise<void> {
    const { state } = await this.read();
    const found = versionOf(registeredModelOf(state, name), version);
    const why = found.tags.get(whyTag) ?? "";
    const of = this.#stepModels().find((each) => each.name === name);
    if (of === undefined || alias !== championAlias) {
      await this.#tracking.write("alias.set", by, { name, alias, version, why });
      return;
    }
    const names = this.#namesOf(of);
    await unlessLost(() => names.promote(found.native, { effectiveFrom: null, by, why }));
  }

  /** @throws {MillraceError} TRACKING_INVALID for the champion of a step. */
  async deleteAlias(name: string, alias: string, by: string): Promise<void> {
    if (alias === championAlias && this.isOfStep(name)) {
      this.#refuse(name, "its champion cannot be taken away: set the alias to another version");
    }
    await this.#tracking.write("alias.delete", by, { name, alias });
  }

  /** @throws {MillraceError} TRACKING_INVALID for a model that steps score by. */
  keepName(name: string): void {
    if (this.isOfStep(name)) this.#refuse(name, "it can neither be deleted nor take another name");
  }

  /** @throws {MillraceError} TRACKING_INVALID for the champion of a step. */
  async deleteVersion(name: string, version: number, by: string): Promise<void> {
    const { champions } = await this.read();
    if (champions.get(name) === version) {
      this.#refuse(
        name,
        `version ${version} is its champion: set the alias to another version first`,
      );
    }
    await this.#tracking.write("version.delete", by, { name, version });
  }

  /** Changes of a model in the register, which the log of experiments does not have. */
  async changes(name: string): Promise<readonly ModelChange[]> {
    const of = this.#stepModels().find((each) => each.name === name);
    if (of === undefined) return [];
    const { named } = this.#tailsOf(of.plan);
    await named.look();
    return await named.changes(of.model);
  }

  #refuse(name: string, what: string): never {
    const reason = `the stream scores by ${name}, so ${what}`;
    throw new MillraceError("TRACKING_INVALID", { reason });
  }

  #stepModels(): StepModel[] {
    const all = this.#plans
      .filter((plan) => topologyOf(plan) === plan.name)
      .flatMap((plan) => modelNames(plan).map((model) => ({ plan, model })));
    const unique = all.filter(
      (each, i) => all.findIndex((o) => o.plan === each.plan && o.model === each.model) === i,
    );
    return unique.map(({ plan, model }) => {
      const isAlone = unique.filter((each) => each.model === model).length === 1;
      return { name: isAlone ? model : `${plan.name}.${model}`, plan, model };
    });
  }

  #namesOf({ plan, model }: StepModel): ModelNames {
    const { broker, offline } = this.#stack;
    const { artifacts } = this.#tracking;
    return new ModelNames(plan, model, { broker, offline, artifacts }, this.#now);
  }

  #tailsOf(plan: Plan) {
    const open = this.#tails.get(plan.name);
    if (open !== undefined) return open;
    const { broker, registry } = this.#stack;
    const models = plan.topics.find(({ role }) => role === "models");
    const opened = {
      named: new ModelTail(broker, modelRegisterTopic(plan.name)),
      trained:
        models === undefined
          ? null
          : new TrainedTail({ broker, registry }, models.name, models.partitions),
    };
    this.#tails.set(plan.name, opened);
    return opened;
  }

  /** Notes what register and trainer have that the log has not, and says who is champion. */
  async #sync(): Promise<Registered> {
    const champions = new Map<string, number | null>();
    let state = await this.#tracking.state();
    for (const of of this.#stepModels()) {
      const { named, trained } = this.#tailsOf(of.plan);
      await named.look();
      await this.#adoptRuns(of);
      const changes = await named.changes(of.model);
      const versions = (trained?.versions(of.model) ?? []).map((each) => ({
        ...each,
        champion: each.championVersion,
      }));
      const all = [...changes, ...versions].filter(({ sha256 }) => sha256 !== "");
      for (const each of all.sort((a, b) => a.effectiveFrom - b.effectiveFrom)) {
        if (state.registeredModels.get(of.name)?.natives.has(each.version)) continue;
        await this.#adopt(of, each);
        state = await this.#tracking.state();
      }
      if (!state.registeredModels.has(of.name)) {
        const asked = { name: of.name, tags: [], description: `scores for ${of.plan.name}` };
        await this.#tracking.write("name.create", "millrace", asked).catch(unlessThere);
      }
      const champion = inForce(championsOf(changes, versions), this.#now()).at(-1);
      const number = state.registeredModels.get(of.name)?.natives.get(champion?.version ?? "");
      champions.set(of.name, number ?? null);
    }
    return { state, champions };
  }

  async #adoptRuns({ plan, model }: StepModel): Promise<void> {
    const { trained } = this.#tailsOf(plan);
    if (trained === null) return;
    await trained.look();
    const { runs } = await this.#tracking.state();
    const answers = trained.answers(model);
    const missing = answers.filter((each) => !runs.has(trainedRunId(each)));
    await Promise.all(
      missing.map((each) =>
        this.#tracking.write("run.adopt", "the trainer", trainedRun(plan, each, answers)),
      ),
    );
  }

  async #adopt({ name, plan }: StepModel, found: ModelChange | Model): Promise<void> {
    const { version: native, sha256 } = found;
    const by = "by" in found ? found.by : "the trainer";
    const why = "why" in found ? found.why : found.reason;
    const bytes = await this.#tracking.artifacts.of(plan.name).get(sha256);
    const model = await this.#tracking.keep(bytes);
    const mlmodel = await this.#tracking.keep(Buffer.from(mlmodelText(found.effectiveFrom)));
    await this.#tracking.write("version.adopt", by, {
      ...{ name, native, sha256, why, source: "", runLink: "", model: "" },
      run: "requestId" in found ? trainedRunId(found) : "",
      ...{ description: why, tags: tagsOf(found) },
      madeAt: "at" in found ? found.at : found.effectiveFrom,
      files: { [mlmodelName]: mlmodel, "model.onnx": model },
    });
  }

  async #register(of: StepModel, { files, source, tags }: VersionRequest, by: string) {
    checkTags(tags);
    if (Object.keys(files).length === 0) {
      const reason = `nothing stands at ${source.slice(0, 200)} here: log the model to this server, for the stream scores by ${of.name}`;
      throw new MillraceError("MODEL_REFUSED", { reason });
    }
    const mlmodel = files[mlmodelName];
    const told =
      mlmodel === undefined ? null : (await this.#tracking.fileBytes(mlmodel)).toString();
    const path = onnxPathIn(Object.keys(files), told);
    const file = files[path] as NonNullable<(typeof files)[string]>;
    const home = await this.#tracking.home();
    await home.artifacts.ensure(file.sha256);
    const order = tagOf(tags, readingTags.order);
    const output = tagOf(tags, readingTags.output);
    const positive = tagOf(tags, readingTags.positive);
    const candidate = {
      file: join(home.artifacts.directory, `${file.sha256}.onnx`),
      ...{ golden: null, tolerance: 1e-5, logit: tagOf(tags, readingTags.logit) === "true" },
      order: order === "" ? null : order.split(",").map((name) => name.trim()),
      ...{ output: output === "" ? null : output, positive: positive === "" ? null : positive },
      scorer: scorerChoices.find((each) => each === tagOf(tags, readingTags.scorer)) ?? "auto",
    };
    const intent = { effectiveFrom: null, by, why: tagOf(tags, whyTag) };
    const names = this.#namesOf(of);
    return await unlessLost(() => names.register(candidate, intent, false)).catch(asTags);
  }
}

/** A tag that is misspelt would else be one that is left out. */
function checkTags(tags: readonly Pair[]): void {
  const known: readonly string[] = [...Object.values(readingTags), whyTag];
  // Those that versions have from here may come back with a copy.
  const all = [...known, ...ownTags];
  const strange = tags.find(({ key }) => key.startsWith("millrace.") && !all.includes(key));
  if (strange !== undefined) {
    const near = nearest(strange.key, known);
    const reason = `there is no tag ${JSON.stringify(strange.key)}${near}; there are ${known.join(", ")}`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
  const scorer = tagOf(tags, readingTags.scorer);
  if (scorer !== "" && !scorerChoices.some((each) => each === scorer)) {
    const reason = `the tag ${readingTags.scorer} is ${JSON.stringify(scorer)}, not one of ${scorerChoices.join(", ")}`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
}

/** What a version has been given, by the register and its checks, as tags. */
function tagsOf(found: ModelChange | Model): Pair[] {
  const [version, sha256, notExplained] = ownTags;
  const why = "checked" in found ? found.checked?.notExplained : undefined;
  return [
    { key: version, value: found.version },
    { key: sha256, value: found.sha256 },
    ...(why === undefined ? [] : [{ key: notExplained, value: why }]),
  ];
}

function tagOf(tags: readonly Pair[], key: string): string {
  return tags.find((each) => each.key === key)?.value ?? "";
}

/** Does it again, upon what is there now, where somebody else was faster. */
async function unlessLost<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      const isLost = error instanceof MillraceError && error.code === "MODEL_CHANGE_LOST";
      if (!isLost || tries === triesMost) throw error;
    }
  }
}

/** What a refusal says of options of the command line is said of tags here. */
function asTags(error: unknown): never {
  const isRefused = error instanceof MillraceError && error.code === "MODEL_REFUSED";
  if (!isRefused) throw error;
  const told = String(error.context["reason"]);
  const reason = told.replace(
    /--(order|output|positive|logit|scorer)\b/g,
    "the tag millrace.$1 of the version",
  );
  throw new MillraceError("MODEL_REFUSED", { reason }, { cause: error });
}

function unlessThere(error: unknown): void {
  if (!(error instanceof MillraceError && error.code === "TRACKING_EXISTS")) throw error;
}
