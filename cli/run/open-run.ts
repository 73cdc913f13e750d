import type { Logger } from "pino";
import type { Config } from "../../runtime/config/settings.ts";
import { type ResolvedConfig, refuse } from "../../runtime/config.ts";
import { changeText, refuseChanges } from "../../runtime/engine/standing-plan.ts";
import type { ApplicationSpec, EventRange } from "../../runtime/hosting/application-spec.ts";
import { migrateCatalog } from "../../runtime/hosting/catalog.ts";
import { createSources } from "../../runtime/hosting/create-sources.ts";
import { CutOvers } from "../../runtime/hosting/cut-overs.ts";
import { memberOf } from "../../runtime/hosting/member.ts";
import { Outages, type TellOutage } from "../../runtime/hosting/outages.ts";
import type { RunningPlans } from "../../runtime/hosting/running-plans.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { agreeOnStart } from "../../runtime/hosting/start-agreement.ts";
import { evolutionOf, strandsOf } from "../../runtime/hosting/strands.ts";
import { viewId } from "../../schemas/feature-view.ts";
import type { Plan } from "../../schemas/plan.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import { shownPlans } from "../../schemas/plan-names.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";
import { localServersOf, openStack } from "../../stacks/open-stack.ts";
import type { Interrupt } from "../exit.ts";
import { batchDesk } from "../inspect/batch-desk.ts";
import { modelDesk } from "../inspect/model-desk.ts";
import { configLines } from "../inspect/open-inspector.ts";
import { serveInspector } from "../inspect/socket-server.ts";
import type { LiveFacts } from "../live/live-facts.ts";
import { addUp as addingUp } from "../summary/add-up.ts";
import type { Summary } from "../summary/summary.ts";
import type { LoadedApplication } from "./claim.ts";
import { type Close, closingAfter } from "./closing-after.ts";
import { prepareData } from "./fresh.ts";
import { createLog } from "./log.ts";
import { tellingOf } from "./outage-text.ts";
import type { Progress } from "./progress.ts";
import { Start } from "./start.ts";
import { startPlans } from "./start-plan.ts";

/** What is to be run, and who watches. */
export interface RunRequest {
  readonly application: LoadedApplication;
  readonly resolved: ResolvedConfig;
  readonly interrupt: Pick<Interrupt, "signal" | "begin" | "insist">;
  /** What it shows of itself while it runs. */
  readonly progress: Progress;
  /** Takes the summary as text. */
  readonly print: (text: string) => void;
}

/** How a run ended. */
export interface RunEnd {
  /** Failed: it ended, and something does not add up. */
  readonly outcome: "done" | "failed" | "interrupted";
  /** Null: it was interrupted. */
  readonly summary: (Summary & { readonly live?: LiveFacts }) | null;
  /** What does not add up. */
  readonly problems: readonly string[];
}

export const interrupted: RunEnd = { outcome: "interrupted", summary: null, problems: [] };

/** An application that was started on its stack, with open doors. */
export interface OpenRun {
  readonly spec: ApplicationSpec;
  readonly plans: readonly Plan[];
  readonly application: RunningPlans;
  readonly stack: Stack;
  readonly config: Config;
  /** Name of the data directory among those that run the topologies. */
  readonly member: string;
  /** Event time that it covers; of a live run without an end, to infinity. */
  readonly range: EventRange;
  readonly progress: Progress;
  readonly print: (text: string) => void;
  readonly log: Logger;
  /** Has the stores and topics read for the summary, for as long as one of them is away. */
  readonly addUp: <T>(read: () => Promise<T>) => Promise<T>;
}

/** What a data directory was claimed for. */
export interface Claimed<Before> {
  readonly range: EventRange;
  /** What earlier starts left. */
  readonly before: Before;
}

/**
 * Opens the stack, claims the data directory, starts the topologies and opens the doors; what was
 * opened is closed when the work is over.
 *
 * @param claim - writes down what the directory is for; its lock is held then.
 */
export function withRun<Before>(
  request: RunRequest,
  claim: (stack: Stack) => Promise<Claimed<Before>>,
  work: (run: OpenRun, before: Before) => Promise<RunEnd>,
): Promise<RunEnd> {
  const { application: loaded, resolved, interrupt, progress, print } = request;
  const { config } = resolved;
  const { spec } = loaded;
  const plans = spec.topologies;
  if (config.listen === null && config.listenGrpc !== null) {
    refuse(["listenGrpc: it goes with a gateway: add --listen"]);
  }
  return closingAfter(async (closing) => {
    await prepareData(config);
    closing.push(async () => progress.stop());
    const log = createLog(config.logLevel);
    const { http: httpPort, data } = config;
    const start = new Start(config, progress);
    await start.openMetrics(closing);
    const stack = await start.retry(() => openStack(config, { httpPort, exclusive: true }));
    closing.push(() => stack.close());
    if (config.stack === "local") progress.say(await serversLine(config));
    const { range, before, strands } = await start.retry(async () => {
      const evolved = await Promise.all(plans.map((plan) => evolutionOf(stack.broker, plan)));
      // What cannot go on leaves the directory as it was.
      for (const [index, { changes }] of evolved.entries()) {
        refuseChanges(plans[index]?.name ?? "", changes);
      }
      for (const [index, { changes }] of evolved.entries()) {
        for (const change of changes) progress.say(`${plans[index]?.name}: ${changeText(change)}`);
      }
      // The topics that a feeder writes to are the application's own.
      if (spec.feeder !== null || config.createSources) await createSources(stack.broker, plans);
      const claimed = await claim(stack);
      const strands = await agreeOnPlans(plans, stack, config.live ? Date.now() : null);
      await tellCatalogs(plans, stack);
      return { ...claimed, strands };
    });
    log.info({ data, ...range }, "stack opened");
    const member = await memberOf(data);
    const application = await start.retry(() =>
      startPlans(strands, {
        ...{ module: loaded.module, stack, config, member },
        ...{ until: range.to, progress, log },
      }),
    );
    interrupt.begin();
    interrupt.insist(() => application.waitingFor);
    closing.push(() => application.close());
    start.done(application);
    const shown = [...strands];
    const tell = tellingOf(progress, log);
    closing.push(watchStrands({ plans, shown, application, stack, progress, tell }));
    await openDoors(shown, stack, resolved, progress, closing);
    if (config.listen !== null) {
      const { listeningLines, openDoor } = await import("../serve/open-door.ts");
      const waitingFor = () => application.waitingFor;
      const options = { config, plans: shown, stack, waitingFor, ofProcess: false, log };
      const gateway = await openDoor(config.listen, options);
      closing.push(() => gateway.close());
      for (const line of listeningLines(gateway)) progress.say(line);
    }
    const addUp: OpenRun["addUp"] = (read) => addingUp(read, interrupt.signal, tell);
    const open = { spec, plans, application, stack, config, member, range };
    return await work({ ...open, progress, print, log, addUp }, before);
  });
}

/** Of the servers of a data directory: they are its own, and outlive the run. */
async function serversLine(config: Config): Promise<string> {
  const { localServerStatus } = await import("../../stacks/local/local-servers.ts");
  const servers = await localServerStatus(localServersOf(config));
  const places = servers.map(({ title, port }) => `${title} ${port}`).join(", ");
  const { data } = config;
  return `servers     ${places} of ${data}; they stay up: millrace stack down --data ${data}`;
}

async function tellCatalogs(plans: readonly Plan[], stack: Stack): Promise<void> {
  for (const plan of plans) {
    await migrateCatalog(stack, plan.name, await strandsOf(stack.broker, plan));
  }
}

const strandEveryMs = 1_000;

/** What topologies run as, each strand with what is known of it, once all who start agree. */
async function agreeOnPlans(
  plans: readonly Plan[],
  stack: Stack,
  now: number | null,
): Promise<Plan[]> {
  const all: Plan[] = [];
  for (const plan of plans) all.push(...shownPlans(await agreeOnStart(stack, plan, now)));
  return all;
}

interface Watched {
  readonly plans: readonly Plan[];
  /** What the doors show: a strand that was cut over takes its place there. */
  readonly shown: Plan[];
  readonly application: RunningPlans;
  readonly stack: Stack;
  readonly progress: Progress;
  readonly tell: TellOutage;
}

/**
 * Cuts over to strands as soon as they have caught up; a last time when it is stopped. What fails
 * is told and done again.
 */
function watchStrands({ plans, shown, application, stack, progress, tell }: Watched): Close {
  const running = application.parts.map(({ plan }) => plan);
  const cutOvers = new CutOvers(running, stack);
  if (cutOvers.areDone) return async () => {};
  const outages = new Outages(tell);
  let isCatalogOld = false;
  const look = async () => {
    await cutOvers.look((plan, all) => {
      shown.splice(0, shown.length, ...all);
      for (const view of viewsOf(plan)) progress.say(`${viewId(view)} has caught up.`);
      isCatalogOld = true;
    });
    if (isCatalogOld) await tellCatalogs(plans, stack);
    isCatalogOld = false;
  };
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= look()
      .then(
        () => {
          outages.note("the names of new views", null);
          if (cutOvers.areDone) clearInterval(timer);
        },
        (error: unknown) => outages.note("the names of new views", error),
      )
      .finally(() => {
        looking = null;
      });
  }, strandEveryMs);
  return async () => {
    clearInterval(timer);
    await looking;
    await look();
  };
}

/** Socket and ClickHouse's interface. */
async function openDoors(
  plans: readonly Plan[],
  stack: Stack,
  resolved: ResolvedConfig,
  progress: Progress,
  closing: Close[],
): Promise<void> {
  const { config } = resolved;
  const now = () => (config.live ? Date.now() : null);
  const inspector = inspectStack(plans, stack, configLines(resolved), now);
  const desk = { ...modelDesk(plans, stack, now), ...batchDesk(plans, stack, now) };
  const socket = await serveInspector({ ...inspector, ...desk }, config.data);
  closing.push(() => socket.close());
  if (stack.offlineAddress !== null) {
    const { offlineAddress: address, offlinePassword: file } = stack;
    const user = file === undefined ? "" : ` (user default, password in ${file})`;
    progress.say(`ClickHouse  ${address}${user}`);
  }
}
