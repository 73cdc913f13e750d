import {
  type ErrorCode,
  type ErrorContext,
  errorOf,
  type MillraceError,
} from "../../schemas/errors.ts";

/**
 * What to do about an error code of Kafka. `metadata`: the leader moved, ask again where it is;
 * `coordinator`: the same for the coordinator; `again`: the same node answers soon.
 */
export type Remedy = "metadata" | "coordinator" | "again" | "none";

interface KafkaErrorEntry {
  readonly name: string;
  readonly remedy: Remedy;
  readonly code: ErrorCode;
}

function entry(name: string, remedy: Remedy, code: ErrorCode = "BROKER_REFUSED"): KafkaErrorEntry {
  return { name, remedy, code };
}

/** The one table of Kafka's error codes that we tell apart. */
const kafkaErrors: Readonly<Record<number, KafkaErrorEntry>> = {
  1: entry("OFFSET_OUT_OF_RANGE", "none", "OFFSET_OUT_OF_RANGE"),
  2: entry("CORRUPT_MESSAGE", "none"),
  3: entry("UNKNOWN_TOPIC_OR_PARTITION", "metadata", "TOPIC_UNKNOWN"),
  5: entry("LEADER_NOT_AVAILABLE", "metadata", "BROKER_UNAVAILABLE"),
  6: entry("NOT_LEADER_OR_FOLLOWER", "metadata", "BROKER_UNAVAILABLE"),
  7: entry("REQUEST_TIMED_OUT", "again", "BROKER_UNAVAILABLE"),
  8: entry("BROKER_NOT_AVAILABLE", "metadata", "BROKER_UNAVAILABLE"),
  9: entry("REPLICA_NOT_AVAILABLE", "metadata", "BROKER_UNAVAILABLE"),
  10: entry("MESSAGE_TOO_LARGE", "none", "RECORD_TOO_LARGE"),
  12: entry("OFFSET_METADATA_TOO_LARGE", "none", "METADATA_TOO_LARGE"),
  13: entry("NETWORK_EXCEPTION", "metadata", "BROKER_UNAVAILABLE"),
  14: entry("COORDINATOR_LOAD_IN_PROGRESS", "again", "BROKER_UNAVAILABLE"),
  15: entry("COORDINATOR_NOT_AVAILABLE", "coordinator", "BROKER_UNAVAILABLE"),
  16: entry("NOT_COORDINATOR", "coordinator", "BROKER_UNAVAILABLE"),
  17: entry("INVALID_TOPIC_EXCEPTION", "none"),
  18: entry("RECORD_LIST_TOO_LARGE", "none", "RECORD_TOO_LARGE"),
  19: entry("NOT_ENOUGH_REPLICAS", "again", "BROKER_UNAVAILABLE"),
  20: entry("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "again", "BROKER_UNAVAILABLE"),
  22: entry("ILLEGAL_GENERATION", "none", "ILLEGAL_GENERATION"),
  25: entry("UNKNOWN_MEMBER_ID", "none", "UNKNOWN_MEMBER"),
  27: entry("REBALANCE_IN_PROGRESS", "none", "ILLEGAL_GENERATION"),
  29: entry("TOPIC_AUTHORIZATION_FAILED", "none", "BROKER_AUTHORIZATION"),
  30: entry("GROUP_AUTHORIZATION_FAILED", "none", "BROKER_AUTHORIZATION"),
  31: entry("CLUSTER_AUTHORIZATION_FAILED", "none", "BROKER_AUTHORIZATION"),
  32: entry("INVALID_TIMESTAMP", "none"),
  36: entry("TOPIC_ALREADY_EXISTS", "none"),
  37: entry("INVALID_PARTITIONS", "none"),
  38: entry("INVALID_REPLICATION_FACTOR", "none"),
  40: entry("INVALID_CONFIG", "none"),
  41: entry("NOT_CONTROLLER", "metadata", "BROKER_UNAVAILABLE"),
  45: entry("OUT_OF_ORDER_SEQUENCE_NUMBER", "none", "TRANSACTION_OUTCOME_UNKNOWN"),
  46: entry("DUPLICATE_SEQUENCE_NUMBER", "none", "TRANSACTION_OUTCOME_UNKNOWN"),
  47: entry("INVALID_PRODUCER_EPOCH", "none", "PRODUCER_FENCED"),
  48: entry("INVALID_TXN_STATE", "none", "TRANSACTION_OUTCOME_UNKNOWN"),
  49: entry("INVALID_PRODUCER_ID_MAPPING", "none", "PRODUCER_FENCED"),
  50: entry("INVALID_TRANSACTION_TIMEOUT", "none"),
  51: entry("CONCURRENT_TRANSACTIONS", "again", "BROKER_UNAVAILABLE"),
  53: entry("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "none", "BROKER_AUTHORIZATION"),
  55: entry("OPERATION_NOT_ATTEMPTED", "none"),
  56: entry("KAFKA_STORAGE_ERROR", "metadata", "BROKER_UNAVAILABLE"),
  59: entry("UNKNOWN_PRODUCER_ID", "none", "TRANSACTION_OUTCOME_UNKNOWN"),
  74: entry("FENCED_LEADER_EPOCH", "metadata", "BROKER_UNAVAILABLE"),
  75: entry("UNKNOWN_LEADER_EPOCH", "metadata", "BROKER_UNAVAILABLE"),
  78: entry("OFFSET_NOT_AVAILABLE", "metadata", "BROKER_UNAVAILABLE"),
  79: entry("MEMBER_ID_REQUIRED", "none"),
  82: entry("FENCED_INSTANCE_ID", "none", "UNKNOWN_MEMBER"),
  87: entry("INVALID_RECORD", "none"),
  88: entry("UNSTABLE_OFFSET_COMMIT", "again", "OFFSETS_UNSTABLE"),
  89: entry("THROTTLING_QUOTA_EXCEEDED", "again", "BROKER_UNAVAILABLE"),
  90: entry("PRODUCER_FENCED", "none", "PRODUCER_FENCED"),
  100: entry("UNKNOWN_TOPIC_ID", "metadata", "TOPIC_UNKNOWN"),
  103: entry("INCONSISTENT_TOPIC_ID", "metadata", "TOPIC_UNKNOWN"),
  105: entry("TRANSACTIONAL_ID_NOT_FOUND", "none"),
  120: entry("TRANSACTION_ABORTABLE", "none", "TRANSACTION_OUTCOME_UNKNOWN"),
};

/** Numbers of the codes that the adapter's own logic tells apart. */
export const kafkaCode = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  coordinatorNotAvailable: 15,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  topicExists: 36,
  invalidPartitions: 37,
  invalidProducerEpoch: 47,
  invalidTransactionState: 48,
  concurrentTransactions: 51,
  operationNotAttempted: 55,
  memberIdRequired: 79,
  fencedInstance: 82,
  unstableOffsets: 88,
  producerFenced: 90,
  transactionalIdNotFound: 105,
} as const;

export function remedyOf(code: number): Remedy {
  return kafkaErrors[code]?.remedy ?? "none";
}

export function kafkaErrorName(code: number): string {
  return kafkaErrors[code]?.name ?? `Kafka error ${code}`;
}

/** Our error for a code of Kafka; `context` fills the message of either. */
export function kafkaError(code: number, request: string, context: ErrorContext): MillraceError {
  const error = kafkaErrorName(code);
  const what = context["topic"] ?? context["group"] ?? context["transactionalId"];
  const asked = what === undefined ? request : `${request} of ${what}`;
  const defaults = {
    request: asked,
    error,
    code,
    detail: "",
    reason: error,
    timeoutMs: 0,
    brokers: "it",
  };
  return errorOf(kafkaErrors[code]?.code ?? "BROKER_REFUSED", {
    ...defaults,
    ...context,
  });
}
