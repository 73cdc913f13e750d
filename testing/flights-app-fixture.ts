import { fileURLToPath } from "node:url";

/** The module of flights, as compiled. */
export const flightsApp = fileURLToPath(new URL("../examples/flights/app.js", import.meta.url));

const named = new Set(["run", "serve", "replay", "config"]);

/** The arguments of a command, about flights where it names no module. */
export function ofFlights(args: readonly string[]): string[] {
  const [command = "", ...rest] = args;
  const isNamed = rest.some((arg) => /\.[jt]s$/.test(arg));
  return named.has(command) && !isNamed ? [command, flightsApp, ...rest] : [...args];
}
