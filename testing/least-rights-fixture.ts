/**
 * What the user of a run needs and no more, as docs/operations.md lists it. The run on secured
 * servers has just these.
 */
export const kafkaRights = [
  { resource: "topic", name: "flights.", prefixed: true, operations: topicOperations() },
  { resource: "group", name: "flights", prefixed: false, operations: ["Read"] },
  { resource: "group", name: "flights.", prefixed: true, operations: ["Read"] },
  { resource: "transactional-id", name: "flights/worker/", prefixed: true, operations: ["Write"] },
  { resource: "transactional-id", name: "flights.", prefixed: true, operations: ["Write"] },
] as const;

/** Rules of an ACL of Redis, after the name of the user and its password. */
export const redisRights =
  "~millrace:{flights/* ~millrace:{check@1* -@all +info +mget +getrange +set +eval +evalsha";

function topicOperations() {
  return ["Create", "Delete", "DescribeConfigs", "Read", "Write"] as const;
}

/** What the user needs besides at a Redis Cluster. */
export const redisClusterRights = "+get +cluster|slots +cluster|info";
