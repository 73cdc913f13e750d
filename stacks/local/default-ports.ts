import type { LocalServerName } from "./server-state.ts";

/** Ports of the servers on 127.0.0.1, of the local stack and of docker-compose.yml. */
export const defaultPorts: Readonly<Record<LocalServerName, number>> = {
  kafka: 9092,
  registry: 8081,
  redis: 6379,
  clickhouse: 8123,
};
