import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../schemas/package-root.ts";

/**
 * Writes a module of the flights on so many partitions.
 *
 * @param partitions - of each topic that a plan makes; 1 to 1,024.
 * @param work - folder that it is written to.
 * @returns its path.
 */
export async function flightsOn(partitions: number, work: string): Promise<string> {
  const compiled = (...path: string[]) => {
    return JSON.stringify(pathToFileURL(join(packageRoot(), "dist", ...path)).href);
  };
  const lines = [
    `import flights from ${compiled("examples", "flights", "app.js")};`,
    `import { topology } from ${compiled("topologies", "dsl", "topology.js")};`,
    `import * as steps from ${compiled("topologies", "flights", "flights.js")};`,
    "const { outcomes, predictions, retraining } = steps;",
    `const options = { partitions: ${partitions} };`,
    'const plan = topology("flights", { predictions, outcomes, retraining }, options);',
    "export default { ...flights, topologies: [plan] };",
  ];
  const file = join(work, `flights-on-${partitions}.mjs`);
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}
