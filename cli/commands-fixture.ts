/** A process that runs the commands it reads, one a line, as `main.ts` does those of its own. */
import { createInterface } from "node:readline";
import { main } from "./program.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const code = await main(JSON.parse(line) as string[]);
  for (const out of [process.stdout, process.stderr]) out.write(`\0${code}\0`);
}
