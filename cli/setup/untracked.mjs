import asyncHooks from "node:async_hooks";

/**
 * `node:test` keeps for each promise, timer and handle of a process whose test made it, at a third
 * of the CPU of tests in memory, to say of an error that nobody caught in which test it arose.
 * Imported before it, it gets hooks that are never called: such an error still fails its file, and
 * its stack says where it arose.
 */
const { createHook } = asyncHooks;
asyncHooks.createHook = () => {
  const never = { enable: () => never, disable: () => never };
  return never;
};
await import("node:test");
asyncHooks.createHook = createHook;

process.on("uncaughtExceptionMonitor", (error, origin) => console.error(origin, error));
process.on("unhandledRejection", (error) => console.error("unhandledRejection", error));
