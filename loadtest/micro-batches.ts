/**
 * What micro-batches gain: rows a second of requests of one row each, by batches of one through the
 * pool and through the micro-batcher before the same pool, in the same process, taken in turn. The
 * micro-batcher counts as far as 99 of 100 answers come within its delay and twice the time of a
 * full batch, measured from when each request was due. Ends with 1 where it has not 15 times as
 * many; on a machine that others use no rate may hold the bound.
 *
 * node dist/loadtest/micro-batches.js --help
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { ensembleFile, plainEnsemble } from "../runtime/services/score/ensemble-fixture.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { circumstances } from "./circumstances.ts";
import { programFlags } from "./program-flags.ts";
import { type Compared, compareBatches, type Rate } from "./scoring/compare-batches.ts";

/** What is asked of it. */
const wanted = 15;

const { values: flags } = programFlags({
  command: "node dist/loadtest/micro-batches.js",
  does: "Rows a second of requests of one row each: by batches of one through the scoring pool, and through the micro-batcher before the same pool, in one process and in turn.",
  flags: {
    rounds: {
      type: "string",
      takes: "N",
      default: "5",
      help: "of which the best counts on every side",
    },
    seconds: { type: "string", takes: "N", default: "1", help: "of a round" },
    delay: { type: "string", takes: "N", default: "5", help: "of the micro-batcher, ms" },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where micro-batches do not score 15 times as many rows within their bound",
});

function row({ name, alone, bounded, fastest, batchMs, boundMs }: Compared): string {
  const told = ({ rate, p99Ms }: Rate) => [
    ...[rate.toFixed(0), p99Ms.toFixed(2), (rate / alone.rate).toFixed(1)],
  ];
  const none = ["none", "", ""];
  const cells = [
    ...[alone.rate.toFixed(0), alone.p99Ms.toFixed(2), batchMs.toFixed(2), boundMs.toFixed(2)],
    ...(bounded.rate > 0 ? told(bounded) : none),
    ...told(fastest),
  ];
  return `| ${name} | ${cells.join(" | ")} |`;
}

const folder = await mkdtemp(join(tmpdir(), "millrace-batches-"));
try {
  const large = { ...plainEnsemble, features: 30, targets: 2, only: 0 };
  const trees = { ...large, kind: "classifier" as const, transform: "LOGISTIC" };
  const linear = join(packageRoot(), "examples", "models", "fixtures", "sklearn-tensor.onnx");
  const models = [
    { name: "logistic regression, 5 features", bytes: await readFile(linear), width: 5 },
    { name: "20 trees of depth 5", bytes: ensembleFile(trees, "few"), width: 30 },
    {
      name: "100 trees of depth 6",
      bytes: ensembleFile({ ...trees, trees: 100, depth: 6 }, "many"),
      width: 30,
    },
  ];
  const [rounds, seconds, delayMs] = [flags.rounds, flags.seconds, flags.delay].map(Number);
  const all: Compared[] = [];
  for (const model of models) {
    all.push(
      await compareBatches(folder, model, {
        ...{ rounds: rounds as number, seconds: seconds as number, delayMs: delayMs as number },
      }),
    );
  }
  const heads = [
    ...["batches of one, rows/s", "their p99, ms", "time of a full batch, ms", "bound, ms"],
    ...["micro-batches within it, rows/s", "their p99, ms", "times as many"],
    ...["micro-batches as fast as they go, rows/s", "their p99, ms", "times as many"],
  ];
  const lines = [
    `| model | ${heads.join(" | ")} |`,
    `| --- |${" ---: |".repeat(heads.length)}`,
    ...all.map(row),
  ];
  console.log(lines.join("\n"));
  if (flags.report !== undefined) {
    const command = `node dist/loadtest/micro-batches.js --rounds ${rounds} --seconds ${seconds} --delay ${delayMs}`;
    const load = `Load average at the end: ${loadavg()[0]?.toFixed(1)}.`;
    const head = `# Micro-batches against batches of one\n\n${await circumstances()} ${load} Reproduce: \`${command}\`.`;
    await writeFile(flags.report, `${head}\n\n${lines.join("\n")}\n`);
  }
  const isMet = all.every(({ alone, bounded }) => bounded.rate >= wanted * alone.rate);
  process.exitCode = isMet ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
