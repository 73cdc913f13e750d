/// <reference types="node" preserve="true" />
export type { DriverModels } from "./driver-models.ts";
export type { DriverRecord } from "./driver-topics.ts";
export { runSchedule, type ScheduleOptions, type ScheduleReport } from "./simulator.ts";
export {
  type DriverFeatures,
  type DriverInput,
  type DriverOutput,
  type SentOptions,
  TopologyDriver,
  topologyDriver,
} from "./topology-driver.ts";
