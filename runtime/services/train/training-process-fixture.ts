/** A process of its own that trains a model; argv: data directory. */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { loopPlan } from "../../../processors/loop-fixture.ts";
import { sampleRows } from "../../../processors/train/sample-rows-fixture.ts";
import { ByteWriter } from "../../../schemas/bytes.ts";
import { stepsOf } from "../../../schemas/plan.ts";
import { openArtifactStore } from "./artifacts.ts";
import { createTrainer } from "./trainer.ts";

const plan = loopPlan();
const [training] = stepsOf(plan, "training");
const [scoring] = stepsOf(plan, "scoring");
if (training === undefined || scoring === undefined) throw new Error("no training");
const width = scoring.features.length;

/** Rows as a training query gives them: when known, label, features. */
function rowBinary(n: number): Buffer {
  const { labels, values, features } = sampleRows(n, "telemetry");
  const out = new ByteWriter();
  for (let row = 0; row < n; row++) {
    out.f64(row);
    out.u8(labels[row] as number);
    for (let i = 0; i < width; i++) out.f64(values[row * features.length + (i % 4)] as number);
  }
  return out.take();
}

const count = { n: 1_000 };
const trainer = createTrainer({
  plan,
  training,
  offline: {
    query: async <Row>() => [count] as Row[],
    queryStream: async (_, onChunk) => onChunk(rowBinary(count.n)),
  },
  artifacts: openArtifactStore(join(process.argv[2] ?? ".", "models")),
  whenStored: async () => {},
});
const request = JSON.stringify({ id: "retraining-1", number: 1, reasons: [], cutoff: count.n });
const answer = await trainer.train({ request, promoted: null, against: "", looks: 0 });
if (answer.sha256 === "") throw new Error(`nothing was trained: ${answer.reason}`);
// What reports does so beside its caller, and shortly after.
await wait(1_500);
await trainer.close();
