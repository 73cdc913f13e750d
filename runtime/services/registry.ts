import type { ExternalWork } from "../../processors/processor.ts";
import { explainService } from "../../processors/scoring/explain-work.ts";
import { scoreService } from "../../processors/scoring/score-work.ts";
import { trainService } from "../../processors/train/train-work.ts";
import { explaining } from "./explain/explain-service.ts";
import { scoring } from "./score/score-service.ts";
import type { Execute, RunningService, Service, ServiceWorld } from "./service.ts";
import { training } from "./train/train-service.ts";

/** Every service, by the name that work bears. The name says what the payload is. */
const services: Readonly<Record<string, Service<object>>> = {
  [scoreService]: scoring,
  [trainService]: training,
  [explainService]: explaining,
};

export function serviceOf({ service }: ExternalWork): Service<object> {
  const found = services[service];
  if (found === undefined) throw new RangeError(`there is no service ${service}`);
  return found;
}

/** The services of one process, open. */
export interface Services {
  readonly execute: Execute;
  close(): Promise<void>;
}

export function openServices(world: ServiceWorld): Services {
  const running = new Map<string, RunningService<object>>();
  for (const [name, service] of Object.entries(services)) running.set(name, service.open(world));
  return {
    execute: async (subtopology, { service, payload }, signal) => {
      const found = running.get(service);
      if (found === undefined) throw new RangeError(`there is no service ${service}`);
      return await found.run(payload, subtopology, signal);
    },
    close: async () => {
      for (const service of running.values()) await service.close();
    },
  };
}
