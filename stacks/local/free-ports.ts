import { createServer } from "node:net";

/** Below the ports of outgoing connections: one of those could take a port before its server. */
const [first, last] = [10_240, 32_767];
const range = last - first + 1;
/** Each process begins elsewhere: those that start servers side by side find others. */
const startsApart = 64;
let given = 0;

/**
 * Finds `count` free TCP ports of 127.0.0.1. None is given twice by a process, so that one that is
 * not taken yet is not found again.
 *
 * @throws {Error} when all ports are taken.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === range) throw new Error(`no port of 127.0.0.1 from ${first} to ${last} is free`);
    const port = first + ((process.pid * startsApart + given++) % range);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
