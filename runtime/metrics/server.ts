import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";
import { MillraceError } from "../../schemas/errors.ts";

/** What can be scraped: the metrics of this process, or of several together. */
export interface Scraped {
  readonly registry: Pick<Registry, "metrics" | "contentType" | "getMetricsAsJSON">;
}

/** `/metrics` on loopback. */
export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves metrics in Prometheus' text format on 127.0.0.1.
 *
 * @param port - 0 takes a free one.
 * @throws {MillraceError} PORT_IN_USE when something else listens there.
 */
export async function serveMetrics(metrics: Scraped, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end("GET /metrics is all there is here\n");
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
