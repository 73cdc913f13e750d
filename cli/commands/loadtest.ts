import type { ResolvedConfig } from "../../runtime/config.ts";
import { refuse } from "../../runtime/config.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { EventIngest } from "../../runtime/ingest/event-ingest.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import { jsonText } from "../../schemas/plain-text.ts";
import type { Plan } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { openStack } from "../../stacks/open-stack.ts";
import { exitCodes, listenForInterrupt } from "../exit.ts";
import { openInspector } from "../inspect/open-inspector.ts";
import { type LatencyRecord, PredictionLatency } from "../live/prediction-latency.ts";
import { type GatewayAccess, gatewayIsThere } from "../loadtest/gateway-requests.ts";
import {
  eventsLoad,
  featuresLoad,
  intoKafka,
  keyText,
  type Load,
  overHttp,
  predictLoad,
  type Records,
} from "../loadtest/loads.ts";
import type { LoadName } from "../loadtest/loadtest-command.ts";
import { openLoop } from "../loadtest/open-loop.ts";
import { type ReadBack, readBack } from "../loadtest/read-back.ts";
import { loadIds, readSamples, type Sample } from "../loadtest/samples.ts";
import { type DuePredictions, sourceTarget, stepTarget, viewTarget } from "../loadtest/targets.ts";
import { failuresOf, type Shown, shownFacts, shownText } from "../loadtest/verdict.ts";
import type { LoadedApplication } from "../run/claim.ts";
import { closingAfter } from "../run/closing-after.ts";
import { writeOut } from "../write-out.ts";
import type { Look } from "./look.ts";

/** A load, as the command line says it. */
export interface LoadtestRequest {
  readonly load: LoadName;
  /** Scoring step, view or topic. */
  readonly name: string;
  /** File with a record a line. */
  readonly records: string;
  readonly beside: readonly { readonly topic: string; readonly file: string }[];
  /** Requests a second. */
  readonly rate: number;
  readonly forMs: number;
  readonly warmUpMs: number;
  /** Records, or keys, a request. */
  readonly rows: number;
  readonly most: number;
  readonly p99Ms: number | null;
  readonly dropped: number;
  readonly gateway: GatewayAccess;
  readonly readsBack: boolean;
}

/** What a load is of, and whose predictions come of it. */
interface Aim {
  readonly records: readonly Records[];
  readonly view: FeatureViewSpec | null;
  readonly due: readonly DuePredictions[];
}

/** `millrace loadtest`: a constant rate, whatever takes how long; exit 1 where it fails. */
export async function loadtest(
  { spec }: LoadedApplication,
  resolved: Look,
  request: LoadtestRequest,
  options: { readonly json?: boolean },
): Promise<number> {
  const { load, gateway, rows } = request;
  const plans = spec.topologies;
  const samples = new Map<string, Sample[]>();
  const problems: string[] = [];
  for (const file of [request.records, ...request.beside.map((each) => each.file)]) {
    samples.set(file, readSamples(file, problems));
  }
  const aim = aimOf(plans, request, samples);
  problems.push(...misfits(aim, request, samples, resolved));
  refuse(problems);

  const interrupt = listenForInterrupt();
  try {
    return await closingAfter(async (closing) => {
      if (load !== "ingest-kafka") await gatewayIsThere(gateway);
      const needsStack = load === "ingest-kafka" || (load === "ingest-http" && request.readsBack);
      const stack =
        needsStack && resolved.config.stack !== "embedded"
          ? await openStack(resolved.config, { exclusive: false })
          : null;
      if (stack !== null) closing.push(() => stack.close());
      const latency = stack === null ? null : await startLatency(plans, stack);
      if (latency !== null) closing.push(() => latency.stop());
      const ingest =
        load === "ingest-kafka" && stack !== null ? new EventIngest(plans, stack) : null;
      if (ingest !== null) closing.push(() => ingest.close());
      const made = loadOf(aim, request, samples, ingest);
      interrupt.begin();
      process.stderr.write(
        `${load} of ${request.name}: ${request.rate} requests/s, ${rows} ${rows === 1 ? "row" : "rows"} each\n`,
      );
      const counts = await openLoop({ ...request, signal: interrupt.signal }, made.send);
      const readBacks = request.readsBack
        ? await readAll(aim, request, made.taken(), resolved, interrupt.signal)
        : [];
      await latency?.stop();
      const predictionMs = latency === null ? null : latency.histogram;
      const shown: Shown = {
        ...{ counts, kinds: made.kinds, readBacks },
        predictionMs: predictionMs?.count === 0 ? null : predictionMs,
      };
      const failures = failuresOf(shown, request);
      writeOut(options.json ? jsonText(shownFacts(shown, failures)) : shownText(shown, failures));
      if (interrupt.signal.aborted) return exitCodes.interrupted;
      return failures.length === 0 ? exitCodes.done : exitCodes.failed;
    });
  } finally {
    interrupt.release();
  }
}

function aimOf(
  plans: readonly Plan[],
  { load, name, rate, forMs, warmUpMs, rows, records, beside }: LoadtestRequest,
  samples: ReadonlyMap<string, Sample[]>,
): Aim {
  if (load === "features") return { records: [], view: viewTarget(plans, name), due: [] };
  const most = Math.ceil(((forMs + warmUpMs) / 1_000) * rate) * rows;
  const beganAt = Date.now();
  const of = (file: string) => samples.get(file) ?? [];
  if (load === "predict") {
    const { source, id, ...due } = stepTarget(plans, name);
    const ids = loadIds(id?.type ?? "string", beganAt, most);
    const asked = [{ samples: of(records), source, id, ids }];
    return { records: asked, view: null, due: [{ ...due, id }] };
  }
  const target = sourceTarget(plans, name);
  const ids = loadIds(target.id?.type ?? "string", beganAt, most);
  const others = beside.map(({ topic, file }) => {
    const { source, id } = sourceTarget(plans, topic);
    return { samples: of(file), source, id, ids };
  });
  const first = { samples: of(records), source: target.source, id: target.id, ids };
  return { records: [first, ...others], view: null, due: target.due };
}

/** What does not fit together, before anything is sent. */
function misfits(
  { view }: Aim,
  { load, name, records }: LoadtestRequest,
  samples: ReadonlyMap<string, Sample[]>,
  { config }: ResolvedConfig,
): string[] {
  const problems: string[] = [];
  if (load === "ingest-kafka" && config.stack === "embedded") {
    problems.push("ingest-kafka: the embedded stack has no port for producers: take ingest-http");
  }
  const without = view?.keyFields.find((field) =>
    (samples.get(records) ?? []).some((sample) => keyText(sample, field) === ""),
  );
  if (without !== undefined) {
    problems.push(`--records: a record of ${records} has no ${without}, a key of ${name}`);
  }
  return problems;
}

function loadOf(
  { records, view }: Aim,
  { load, name, gateway, rows, records: file }: LoadtestRequest,
  samples: ReadonlyMap<string, Sample[]>,
  ingest: EventIngest | null,
): Load {
  if (view !== null) return featuresLoad(gateway, view, rows, samples.get(file) ?? []);
  if (load === "predict") return predictLoad(gateway, name, rows, records[0] as Records);
  return eventsLoad(ingest === null ? overHttp(gateway) : intoKafka(ingest), rows, records);
}

/** The predictions of the load, as they stand in the offline store. */
async function readAll(
  { due, records }: Aim,
  { load }: LoadtestRequest,
  taken: number,
  resolved: Look,
  signal: AbortSignal,
): Promise<ReadBack[]> {
  const ids = records[0]?.ids;
  if (due.length === 0 || ids === undefined) return [];
  const inspector = await openInspector(resolved.application, resolved);
  try {
    const found: ReadBack[] = [];
    for (const each of due) {
      const served = load === "predict";
      const read = await readBack(inspector, each, { ids, due: taken, served, signal });
      if (read !== null) found.push(read);
    }
    return found;
  } finally {
    await inspector.close();
  }
}

/** Measures from here on: what stands in the topics is others'. */
async function startLatency(plans: readonly Plan[], { broker, registry }: Stack) {
  const offsets: Record<string, readonly number[]> = {};
  for (const plan of plans) {
    for (const { topic } of predictionsOf(plan)) {
      const partitions = Array.from({ length: plan.partitions }, (_, partition) => partition);
      const ends = partitions.map((partition) => ({ topic, partition, at: "latest" as const }));
      offsets[topic] = await broker.listOffsets(ends);
    }
  }
  const histogram: LatencyRecord["histogram"] = { counts: [], maxMs: 0 };
  return PredictionLatency.start({ plans, broker, registry, before: { offsets, histogram } });
}
