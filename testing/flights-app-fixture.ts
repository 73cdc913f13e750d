import { fileURLToPath } from "node:url";

/** The module of flights, as compiled. */
export const flightsApp = fileURLToPath(new URL("../examples/flights/app.js", import.meta.url));

const named = new Set(["run", "replay", "config", "describe"]);

/** The arguments of a command about flights: one that begins something names the module. */
export function ofFlights(args: readonly string[]): string[] {
  const [command = "", ...rest] = args;
  return named.has(command) ? [command, flightsApp, ...rest] : [...args];
}
