/** A process that runs the commands it reads, one a line, as `main.ts` does those of its own. */
import { createInterface } from "node:readline";
import type { Surroundings } from "./millrace-fixture.ts";
import { main } from "./program.ts";

const [cwd, env] = [process.cwd(), process.env];
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as Surroundings & { args: string[] };
  process.chdir(asked.cwd ?? cwd);
  process.env = { ...(asked.env ?? env) };
  const code = await main(asked.args);
  for (const out of [process.stdout, process.stderr]) out.write(`\0${code}\0`);
}
