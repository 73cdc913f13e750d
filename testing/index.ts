export {
  runSchedule,
  type ScheduleOptions,
  type ScheduleReport,
} from "./simulator.ts";
export {
  type DriverRecord,
  type SentOptions,
  TopologyDriver,
  type TopologyDriverOptions,
  topologyDriver,
} from "./topology-driver.ts";
