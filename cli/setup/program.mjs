import { spawn } from "node:child_process";

/** The environment without Millrace's settings, among which are passwords. */
export function withoutSettings() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([variable]) => !variable.startsWith("MILLRACE_")),
  );
}

/**
 * Runs a program to its end and returns its exit code; its input and output are the user's.
 * Signals are passed on, and this process ends only after the program has.
 */
export function runProgram(command, args, options) {
  const child = spawn(command, args, { stdio: "inherit", ...options });
  const pass = (signal) => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const each of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(each, pass);
      if (signal === "SIGINT") process.exit(130);
      resolve(code ?? 1);
    });
  });
}
