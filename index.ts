/// <reference types="node" preserve="true" />
// The public API of Millrace: how a topology is written, and the contracts that applications name.

export { setting } from "./runtime/config/setting.ts";
export * as settingTypes from "./runtime/config/setting-types.ts";
export {
  type ApplicationOptions,
  type ApplicationSpec,
  application,
  type Feeder,
} from "./runtime/hosting/application-spec.ts";
export {
  type EventFeederOptions,
  eventFeeder,
  type FedEvent,
} from "./runtime/hosting/event-feeder.ts";
export {
  type RegisteredSchemaOptions,
  registeredSchema,
} from "./runtime/schema-registry/registered-schema.ts";
export type { Duration } from "./schemas/duration.ts";
export type { Encoded } from "./schemas/encodings/encoding.ts";
export * from "./schemas/encodings/kinds.ts";
export { MillraceError } from "./schemas/errors.ts";
export * from "./schemas/formats/kinds.ts";
export type { ProtobufSchema } from "./schemas/formats/protobuf/protobuf-format.ts";
export { type FieldType, type RecordOf, types } from "./schemas/formats/types.ts";
export type { Plan } from "./schemas/plan.ts";
export { type RecordSchema, recordSchema } from "./schemas/record-schema.ts";
export { type Aggregate, agg } from "./topologies/dsl/aggregates.ts";
export {
  and,
  custom,
  eq,
  type FieldRef,
  field,
  gt,
  gte,
  lt,
  lte,
  neq,
  not,
  or,
  type Test,
} from "./topologies/dsl/conditions.ts";
export { describe } from "./topologies/dsl/describe.ts";
export { calendar } from "./topologies/dsl/enrichment.ts";
export type { Outcomes } from "./topologies/dsl/label.ts";
export { offline, online, topic } from "./topologies/dsl/roles.ts";
export { blockList, override, type Range, type Rule, threshold } from "./topologies/dsl/rules.ts";
export {
  type FeatureOf,
  type Predictions,
  previousVersion,
  prior,
} from "./topologies/dsl/scoring.ts";
export { lower, upper } from "./topologies/dsl/select.ts";
export {
  from,
  type RecordFormat,
  recordTime,
  type SourceOptions,
  type Stream,
} from "./topologies/dsl/stream.ts";
export { type TopologyOptions, topology } from "./topologies/dsl/topology.ts";
export { better, logisticRegression, notWorse, type Training } from "./topologies/dsl/training.ts";
export { any, drifted, every, labels, noModel } from "./topologies/dsl/triggers.ts";
export type { FeatureView } from "./topologies/dsl/view.ts";
export { drift } from "./topologies/dsl/watch.ts";
