import type { Registry } from "prom-client";
import { type Door, door } from "../door.ts";

/** Metrics of the gateway, and of the process where it has one of its own. */
export function metricsDoor(registry: Registry): Door {
  return door({
    method: "GET",
    path: "/metrics",
    scope: "read",
    title: "Metrics",
    about: "In Prometheus' text format.",
    takes: "none",
    answers: "text/plain",
    errors: [],
    handle: async () => ({
      headers: { "content-type": registry.contentType },
      body: await registry.metrics(),
    }),
  });
}
