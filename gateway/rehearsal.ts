import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RehearsedStep } from "../runtime/predict/rehearsed-steps.ts";
import type { StepPredictor } from "../runtime/predict/step-predictor.ts";
import type { Warn } from "../runtime/services/service.ts";
import { predictDoor } from "./doors/predict.ts";
import { Gate } from "./gate.ts";
import type { Limits } from "./limits.ts";
import { gatewayServer } from "./open-gateway.ts";

/** Asked at a time. */
const connections = 8;
/** After so many V8 has compiled most of what a prediction runs. */
const requestsUsual = 2_000;
/** A start is not held up for longer, ms. */
const usualMs = 2_000;

export interface RehearsalOptions {
  readonly limits: Limits;
  readonly warn: Warn;
  /** @default 2000 */
  readonly requests?: number;
  /** The longest time that it takes, ms. @default 2000 */
  readonly mostMs?: number;
}

export interface Rehearsal {
  /** Empty once it is over. */
  readonly waitingFor: () => readonly string[];
  /** How many requests were answered with a prediction; it never rejects. */
  readonly answered: Promise<number>;
  /** Ends it early. */
  close(): Promise<void>;
}

/**
 * Asks steps for predictions as clients do, before anybody does: V8 compiles what it sees run, and
 * the first requests of a process would wait for that. They go through a gateway of its own, which
 * nobody else can reach (its socket is a file in a folder of this user until it has its
 * connections) and which counts for itself, so that nothing of it is told or kept. It ends early
 * where something outside fails.
 *
 * @param steps - once their models are ready.
 */
export function beginRehearsal(
  steps: Promise<readonly RehearsedStep[]>,
  options: RehearsalOptions,
): Rehearsal {
  const over = new AbortController();
  let isOver = false;
  const answered = steps
    .then((all) => (all.length === 0 || over.signal.aborted ? 0 : rehearse(all, options, over)))
    .catch((error: unknown) => {
      options.warn("predictions are not rehearsed: the first ones take longer", {
        reason: String(error),
      });
      return 0;
    })
    .finally(() => {
      isOver = true;
    });
  return {
    answered,
    waitingFor: () => (isOver ? [] : ["its rehearsal"]),
    close: async () => {
      over.abort();
      await answered;
    },
  };
}

async function rehearse(
  steps: readonly RehearsedStep[],
  { limits, requests = requestsUsual, mostMs = usualMs }: RehearsalOptions,
  over: AbortController,
): Promise<number> {
  const own = {
    ...{ address: { host: "", port: 0 }, tls: null, keysFile: "" },
    ...{ keys: () => ({ byId: new Map(), isLocked: false }), waitingFor: () => [] },
    limits: { ...limits, requestMs: mostMs },
    doors: [predictDoor({ step: (name, topology) => named(steps, name, topology) })],
  };
  const server = gatewayServer(own, new Gate(own));
  const folder = await mkdtemp(join(tmpdir(), "millrace-rehearsal-"));
  const timer = setTimeout(() => over.abort(), mostMs);
  let asked = 0;
  let answered = 0;
  const askInTurn = async (connection: Socket): Promise<void> => {
    const leave = () => connection.destroy();
    over.signal.addEventListener("abort", leave);
    while (!over.signal.aborted && asked < requests) {
      const index = asked++;
      const status = await answerTo(
        connection,
        steps[index % steps.length] as RehearsedStep,
        index,
      );
      if (status === 200) answered++;
      // What is away is waited for by nobody.
      if (status >= 500) over.abort();
    }
    over.signal.removeEventListener("abort", leave);
    leave();
  };
  try {
    const path = join(folder, "http");
    await server.listen({ path });
    const open = await Promise.all(Array.from({ length: connections }, () => connected(path)));
    // Nobody comes after them, and a process that is killed leaves nothing behind.
    await rm(folder, { recursive: true, force: true });
    await Promise.all(open.map(askInTurn));
  } finally {
    clearTimeout(timer);
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
  return answered;
}

async function connected(path: string): Promise<Socket> {
  const connection = connect(path);
  await once(connection, "connect");
  return connection;
}

function named(
  steps: readonly RehearsedStep[],
  name: string,
  topology: string | null,
): StepPredictor {
  const found = steps.find(
    ({ predictor }) => predictor.scoring.name === name && predictor.topology === topology,
  );
  if (found === undefined) throw new RangeError(`${name} is not rehearsed`);
  return found.predictor;
}

/** Status of the answer to a request for a prediction; 0: the connection is closed. */
function answerTo(
  connection: Socket,
  { predictor, record }: RehearsedStep,
  index: number,
): Promise<number> {
  const body = JSON.stringify({ topology: predictor.topology, record: record(index) });
  const lines = [
    `POST /v1/predict/${encodeURIComponent(predictor.scoring.name)} HTTP/1.1`,
    ...["host: localhost", "content-type: application/json"],
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return new Promise((resolve, reject) => {
    let answer = "";
    const told = (status: number): void => {
      connection.off("data", read).off("close", closed).off("error", reject);
      resolve(status);
    };
    const read = (chunk: Buffer): void => {
      answer += chunk.toString("latin1");
      const head = answer.indexOf("\r\n\r\n");
      const bytes = Number(/^content-length: (\d+)/im.exec(answer)?.[1]);
      if (head >= 0 && answer.length >= head + 4 + bytes) told(Number(answer.split(" ", 2)[1]));
    };
    const closed = () => told(0);
    connection.on("data", read).once("close", closed).once("error", reject);
    connection.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
  });
}
