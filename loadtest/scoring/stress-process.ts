/**
 * One process of the stress: `ours` asks pools that are swapped, resized, cancelled and closed
 * under load, and ends by SIGTERM in the middle of it; `naive` does as much with piscina alone.
 *
 * node stress-process.js ours|naive FOLDER CYCLES SEED
 */
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { turnOffTelemetry } from "../../runtime/config/onnx-telemetry.ts";
import { CheckedLoad } from "./checked-load.ts";
import { idModel, width } from "./id-models.ts";

const [side = "ours", folder = "", cycles = "10", seed = "1"] = process.argv.slice(2);
turnOffTelemetry();

const heavy = { work: 160 };

async function ours(): Promise<void> {
  const models = [
    await idModel(folder, 0, {}),
    await idModel(folder, 1, heavy),
    await idModel(folder, 2, heavy),
    await idModel(folder, 3, { native: true }),
  ];
  const load = new CheckedLoad(folder, models, seed);
  const ended = new Promise<void>((resolve) => {
    process.once("SIGTERM", () => resolve(load.end()));
  });
  for (let cycle = 0; cycle < Number(cycles); cycle++) {
    // Every model of the batch is another than that of the rows beside it: a swap a row.
    for (let each = 0; each < 4; each++) load.askStream(200, each === 3);
    await load.askDoor(60);
    if (cycle % 2 === 1) load.resize(1 + (cycle % 3));
    while (load.underWay > 120) await wait(1);
  }
  load.askStream(600, false);
  process.kill(process.pid, "SIGTERM");
  await load.askDoor(60);
  await ended;
  await load.settled();
  process.stdout.write(`${JSON.stringify(load.tally)}\n`);
}

async function naive(): Promise<void> {
  const model = await idModel(folder, 1, heavy);
  for (let cycle = 0; cycle < Number(cycles); cycle++) {
    const filename = fileURLToPath(new URL("./naive-worker.js", import.meta.url));
    const pool = new Piscina({ filename, name: "runNaive", minThreads: 1, maxThreads: 1 });
    const task = { file: `${folder}/${model.sha256}.onnx`, rows: 600, width };
    await pool.run({ ...task, rows: 1 });
    const over = new AbortController();
    const asked = [
      ...Array.from({ length: 3 }, () => pool.run(task, { signal: over.signal })),
      pool.run(task),
    ].map((each) => each.catch(() => {}));
    await wait(cycle % 7);
    if (cycle % 2 === 0) over.abort();
    await pool.destroy();
    await Promise.all(asked);
  }
}

await (side === "naive" ? naive() : ours());
