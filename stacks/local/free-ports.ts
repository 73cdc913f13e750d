import { createServer } from "node:net";

/** Below the ports of outgoing connections: one of those could take a port before its server. */
const [first, last] = [10_240, 32_767];
const blockPorts = 64;
const blocks = Math.floor((last - first + 1) / blockPorts);

/** Of the blocks of this process: ports that were not given yet. */
let left: number[] = [];
/** Blocks that this process has tried to take. */
let tried = 0;
let finding: Promise<unknown> = Promise.resolve();

/**
 * Finds `count` free TCP ports of 127.0.0.1. None is given twice, also not to two processes that
 * find theirs so: one that is not taken yet is not found again as long as its process lives.
 *
 * @throws {Error} when all ports are taken.
 */
export function freePorts(count: number): Promise<number[]> {
  const found = finding.then(() => find(count));
  finding = found.catch(() => {});
  return found;
}

async function find(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = left.shift();
    if (port === undefined) left = await takeBlock();
    else if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/**
 * The ports of a block but for its first, which this process listens at until it ends: so others
 * know that the block is its own. Each process begins elsewhere.
 */
async function takeBlock(): Promise<number[]> {
  for (let end = tried + blocks; tried < end; ) {
    const block = first + ((process.pid + tried++) % blocks) * blockPorts;
    if (await holds(block)) return Array.from({ length: blockPorts - 1 }, (_, i) => block + 1 + i);
  }
  throw new Error(`no port of 127.0.0.1 from ${first} to ${last} is free`);
}

/** Whether this process has got the port, which it keeps. */
function holds(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true)).unref();
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
