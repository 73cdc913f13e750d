import { Registry } from "prom-client";
import type { Config } from "../../runtime/config/settings.ts";
import { Outages } from "../../runtime/hosting/outages.ts";
import type { RunningPlans } from "../../runtime/hosting/running-plans.ts";
import { serveMetrics } from "../../runtime/metrics/server.ts";
import { mayStart, retry } from "../../runtime/retry.ts";
import type { Close } from "./closing-after.ts";
import { tellOutage } from "./outage-text.ts";
import type { Progress } from "./progress.ts";

/**
 * A run between its first line and its first record: it lives and is not ready. With `--wait` it
 * waits for servers that are away.
 */
export class Start {
  readonly #config: Config;
  readonly #progress: Progress;
  readonly #outages: Outages;
  readonly #nothing = new Registry();
  #application: RunningPlans | null = null;

  constructor(config: Config, progress: Progress) {
    this.#config = config;
    this.#progress = progress;
    this.#outages = new Outages((what, error) => progress.say(tellOutage(what, error)));
  }

  /** Does a part of the start, again and again where that may help and is wanted. */
  retry<T>(part: () => Promise<T>): Promise<T> {
    const { wait } = this.#config;
    return retry(part, {
      mayPass: (error) => wait && mayStart(error),
      tell: (error) => this.#outages.note("its servers", error),
    });
  }

  /** Before anything else: whoever asks whether the process lives has an answer while it waits. */
  async openMetrics(closing: Close[]): Promise<void> {
    const { metrics: wanted } = this.#config;
    if (wanted === null) return;
    const scraped = () => this.#application?.metrics.registry ?? this.#nothing;
    const metrics = {
      get registry() {
        return scraped();
      },
    };
    const server = await serveMetrics(metrics, wanted, () => this.#waitingFor());
    closing.push(() => server.close());
    this.#progress.say(`metrics     http://127.0.0.1:${server.port}/metrics`);
  }

  /** The application runs: what it waits for from now on it says itself. */
  done(application: RunningPlans): void {
    this.#application = application;
  }

  #waitingFor(): readonly string[] {
    if (this.#application !== null) return this.#application.waitingFor;
    const { waitingFor } = this.#outages;
    return waitingFor.length > 0 ? waitingFor : ["its start"];
  }
}
