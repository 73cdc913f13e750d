import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Broker } from "../broker.ts";
import { brokerConformance } from "../conformance.ts";
import { type EmbeddedControls, openEmbeddedBroker } from "./embedded-broker.ts";

const root = mkdtempSync(join(tmpdir(), "millrace-log-"));
after(() => rmSync(root, { recursive: true }));

const compact = (broker: Broker, topic: string) =>
  (broker as Broker & EmbeddedControls).compact(topic);

brokerConformance(
  "in memory",
  async () => {
    const broker = await openEmbeddedBroker({ directory: null });
    return { broker, close: () => broker.close() };
  },
  { compact },
);

brokerConformance(
  "on disk",
  async () => {
    const directory = mkdtempSync(join(root, "data-"));
    const broker = await openEmbeddedBroker({ directory });
    return { broker, close: () => broker.close() };
  },
  { compact },
);

brokerConformance(
  "on disk with tiny segments, no cache and flushes",
  async () => {
    const directory = mkdtempSync(join(root, "tiny-"));
    const broker = await openEmbeddedBroker({
      directory,
      segmentBytes: 300,
      cacheBytes: 0,
      fsync: "commit",
    });
    return { broker, close: () => broker.close() };
  },
  { compact },
);
