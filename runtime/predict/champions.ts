import type { Broker } from "../../broker/broker.ts";
import { type ChampionNews, newsOf } from "../../processors/scoring/model-news.ts";
import { ModelRegister } from "../../processors/scoring/model-register.ts";
import { namedIn } from "../../schemas/model-routes.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { modelRegisterTopic } from "../../topologies/dsl/compile/topics.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { ModelTail } from "../services/models/model-tail.ts";
import { StandingLook } from "../services/models/standing-look.ts";
import { TrainedTail } from "../services/models/trained-tail.ts";

/** A version that is, or will be, champion. */
export interface NamedVersion {
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly sha256: string;
  /** UTC ms: in force for what is known after it. */
  readonly effectiveFrom: number;
}

export interface ChampionsOptions {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  /** Makes a model ready; what fails is told by the rows that it then fails at. */
  readonly warm: (sha256: string, width: number) => Promise<void>;
}

/** What the register says, by its number, or a version that the trainer has promoted. */
type Heard = ChampionNews | (NamedVersion & { readonly routes?: undefined });

interface Followed {
  readonly model: string;
  /** Features of its vector. */
  readonly width: number;
  readonly register: ModelRegister;
}

/**
 * The champions of a topology's models as the stream hears of them: named in the model register, or
 * promoted by the trainer. A new one is made ready before it is in force, and the one before
 * answers until then.
 */
export class Champions {
  readonly #options: ChampionsOptions;
  readonly #tail: ModelTail;
  readonly #trained: TrainedTail | null;
  /** By step what is in force for it; each puts models aside by itself. */
  readonly #steps = new Map<string, Followed>();
  /** By model how many of its versions have been heard of. */
  readonly #heard = new Map<string, number>();
  readonly #news: StandingLook;
  #first: Promise<void> | null = null;

  constructor(plan: Plan, options: ChampionsOptions) {
    this.#options = options;
    const topology = topologyOf(plan);
    this.#tail = new ModelTail(options.broker, modelRegisterTopic(topology));
    const models = plan.topics.find(({ role }) => role === "models");
    this.#trained =
      models === undefined ? null : new TrainedTail(options, models.name, models.partitions);
    for (const { name, model, features, routing } of predictionsOf(plan)) {
      const register = new ModelRegister(routing !== undefined);
      this.#steps.set(name, { model: model.name, width: features.length, register });
    }
    const places = () => [this.#tail.place, ...(this.#trained?.places ?? [])];
    this.#news = new StandingLook({
      broker: options.broker,
      places,
      look: () => this.#look(true),
    });
  }

  /**
   * What is in force for a step. The first call reads what there is; then news are followed.
   *
   * @throws what the broker says, while nothing has been read yet.
   */
  async of(step: string): Promise<ModelRegister> {
    await this.#opened();
    const found = this.#steps.get(step);
    if (found === undefined) throw new RangeError(`${step} scores nothing`);
    return found.register;
  }

  /** All versions of a model, each once: registered ones, and what the trainer made. */
  async versions(model: string): Promise<readonly NamedVersion[]> {
    await this.#opened();
    const changes = (await this.#tail.changes(model)).filter(({ kind }) => kind !== "route");
    const all = [...changes, ...(this.#trained?.versions(model) ?? [])];
    return [...new Map(all.map((each) => [each.version, each])).values()];
  }

  async close(): Promise<void> {
    await this.#news.close();
    await this.#tail.close();
  }

  async #opened(): Promise<void> {
    this.#first ??= this.#look(false).then(() => this.#news.start());
    try {
      await this.#first;
    } catch (error) {
      this.#first = null;
      throw error;
    }
  }

  /** @param warms - whether news are made ready first; at the beginning there is none before. */
  async #look(warms: boolean): Promise<void> {
    await this.#tail.look();
    await this.#trained?.look();
    for (const model of new Set([...this.#steps.values()].map((each) => each.model))) {
      const changes = await this.#tail.answering(model);
      const named = changes.map((change, index) => newsOf(change, index + 1));
      const trained = this.#trained?.promoted(model) ?? [];
      await this.#hear(`named ${model}`, model, named, warms);
      await this.#hear(`trained ${model}`, model, trained, warms);
    }
  }

  async #hear(of: string, model: string, all: readonly Heard[], warms: boolean): Promise<void> {
    for (const said of all.slice(this.#heard.get(of) ?? 0)) {
      const steps = [...this.#steps.values()].filter((step) => step.model === model);
      const named = said.version === "" ? [] : [said];
      for (const { sha256 } of warms ? [...named, ...namedIn(said.routes ?? null)] : []) {
        for (const { width } of steps) await this.#options.warm(sha256, width).catch(() => {});
      }
      this.#heard.set(of, (this.#heard.get(of) ?? 0) + 1);
      // What the trainer promotes leaves the routes as they are.
      for (const { register } of steps) {
        if ("number" in said) register.take(said);
        else register.promote(said);
      }
    }
  }
}
