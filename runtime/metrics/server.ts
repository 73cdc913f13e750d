import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import { MillraceError } from "../../schemas/errors.ts";
import { fromElsewhere } from "../../schemas/from-elsewhere.ts";

/** What can be scraped: the metrics of this process, or of several together. */
export interface Scraped {
  readonly registry: Pick<Registry, "metrics" | "contentType" | "getMetricsAsJSON">;
}

/** `/metrics`, `/live` and `/ready` on loopback. */
export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves metrics in Prometheus' text format on 127.0.0.1, and whether the process lives (200) and
 * is ready (200, or 503 with what it waits for as JSON). Another Host, and an Origin, are refused.
 *
 * @param port - 0 takes a free one.
 * @param waitingFor - what is away; empty: the process is ready.
 * @throws {MillraceError} PORT_IN_USE when something else listens there.
 */
export async function serveMetrics(
  metrics: Scraped,
  port: number,
  waitingFor: () => readonly string[] = () => [],
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (fromElsewhere(request.headers) !== null) {
      response.writeHead(403).end("ask 127.0.0.1 or localhost, and not from a page of a browser\n");
      return;
    }
    const asked = request.method === "GET" ? request.url : undefined;
    if (asked === "/live" || asked === "/ready") {
      const waiting = asked === "/ready" ? waitingFor() : [];
      response.writeHead(waiting.length === 0 ? 200 : 503, { "content-type": "application/json" });
      response.end(`${JSON.stringify({ waitingFor: waiting })}\n`);
      return;
    }
    if (asked !== "/metrics") {
      response.writeHead(404).end("GET /metrics, /live or /ready: there is nothing else here\n");
      return;
    }
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": metrics.registry.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
    );
  });
  await listen(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // A scraper that reads slowly, or waits for an answer, must not hold up the end.
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EADDRINUSE") return reject(cause);
      reject(new MillraceError("PORT_IN_USE", { port, what: "metrics" }, { cause }));
    });
    server.listen(port, "127.0.0.1", () => resolve());
    server.unref();
  });
}
