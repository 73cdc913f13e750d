#!/usr/bin/env node
import { exitCodes } from "./exit.ts";
import { main } from "./program.ts";

// A reader that has seen enough (`| head`) ends the command quietly, before its end.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCodes.interrupted);
});

process.exitCode = await main(process.argv.slice(2));
