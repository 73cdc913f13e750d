import { MillraceError } from "../../schemas/errors.ts";
import type { TopicDescription, TopicSettings } from "../broker.ts";
import { Backoff } from "./backoff.ts";
import type { ClusterClient } from "./cluster-client.ts";
import { kafkaCode, kafkaError } from "./error-codes.ts";
import type { KafkaRequest } from "./requests/kafka-request.ts";
import { metadataRequest, type TopicMetadata } from "./requests/metadata.ts";
import {
  createPartitionsRequest,
  createTopicsRequest,
  deleteTopicsRequest,
  describeConfigsRequest,
  type TopicResult,
} from "./requests/topics.ts";

/** Copies on a cluster of three nodes or more; fewer nodes: as many as there are. */
const usualReplicationFactor = 3;

/** Creates what is missing and compares the rest; resolves when every node knows all leaders. */
export async function createKafkaTopics(
  client: ClusterClient,
  topics: readonly TopicSettings[],
): Promise<void> {
  const names = topics.map(({ name }) => name);
  const existing = await describeKafkaTopics(client, names);
  const known = new Set(existing.map(({ name }) => name));
  const missing = topics.filter(({ name }) => !known.has(name));
  if (missing.length > 0) {
    const factor = Math.min(usualReplicationFactor, Math.max(1, client.nodes.length));
    const wanted = missing.map(({ name, partitions, replicationFactor = factor, config }) => ({
      name,
      partitions,
      replicationFactor,
      config,
    }));
    const request = createTopicsRequest(wanted, client.settings.requestTimeoutMs);
    await insist(client, request, kafkaCode.topicExists);
    await everywhere(client, names, (found) => found !== undefined && led(found));
  }
  await compare(client, topics);
}

/** Gives a topic more partitions, if it has fewer; resolves when every node knows their leaders. */
export async function addKafkaPartitions(
  client: ClusterClient,
  topic: string,
  partitions: number,
): Promise<void> {
  const [found] = await describeKafkaTopics(client, [topic]);
  if (found === undefined) throw new MillraceError("TOPIC_UNKNOWN", { topic, partition: 0 });
  if (found.partitions >= partitions) return;
  const { requestTimeoutMs } = client.settings;
  const request = createPartitionsRequest(topic, partitions, requestTimeoutMs);
  // Somebody else may have been first: then it has as many.
  await insist(client, request, kafkaCode.invalidPartitions);
  await everywhere(
    client,
    [topic],
    (known) => known !== undefined && known.leaders.length >= partitions && led(known),
  );
}

/** Deletes topics; unknown ones are passed over. Resolves when no node lists them any more. */
export async function deleteKafkaTopics(
  client: ClusterClient,
  names: readonly string[],
): Promise<void> {
  await client.refresh([]);
  const request = deleteTopicsRequest(names, client.settings.requestTimeoutMs);
  await insist(client, request, kafkaCode.unknownTopicOrPartition);
  await everywhere(client, names, (found) => found === undefined);
  client.forget(names);
}

export async function describeKafkaTopics(
  client: ClusterClient,
  names?: readonly string[],
): Promise<TopicDescription[]> {
  const metadata = await client.refresh(names ?? null);
  return metadata.topics
    .filter(({ error, internal, leaders }) => leaders.length > 0 && error !== 3 && !internal)
    .map(({ name, id, leaders }) => ({ name, id, partitions: leaders.length }));
}

async function compare(client: ClusterClient, topics: readonly TopicSettings[]): Promise<void> {
  const found = new Map(
    (
      await describeKafkaTopics(
        client,
        topics.map(({ name }) => name),
      )
    ).map((each) => [each.name, each]),
  );
  for (const { name: topic, partitions } of topics) {
    const actual = found.get(topic)?.partitions ?? 0;
    if (actual !== partitions) {
      const context = { topic, what: "partitions", actual, expected: partitions };
      throw new MillraceError("TOPIC_MISMATCH", context);
    }
  }
  const asked = topics.map(({ name, config }) => ({ name, keys: Object.keys(config) }));
  const configured = asked.filter(({ keys }) => keys.length > 0);
  if (configured.length === 0) {
    return;
  }
  const answers = await client.anyNode(describeConfigsRequest(configured));
  for (const { name: topic, error } of answers) {
    if (error !== kafkaCode.none) {
      throw kafkaError(error, "DescribeConfigs", { topic });
    }
  }
  const settings = new Map(answers.map((answer) => [answer.name, answer]));
  for (const { name: topic, config } of topics) {
    for (const [what, expected] of Object.entries(config)) {
      const actual = settings.get(topic)?.values.get(what) ?? "(nothing)";
      if (canonical(actual) !== canonical(expected)) {
        throw new MillraceError("TOPIC_MISMATCH", { topic, what, actual, expected });
      }
    }
  }
}

/** `compact,delete` equals `delete, compact`. */
function canonical(value: string): string {
  return value
    .split(",")
    .map((part) => part.trim())
    .sort()
    .join(",");
}

async function everywhere(
  client: ClusterClient,
  names: readonly string[],
  holds: (topic: TopicMetadata | undefined) => boolean,
): Promise<void> {
  const backoff = new Backoff(client.limitMs, 5, 200);
  for (;;) {
    await client.refresh(names);
    const views = await Promise.allSettled(
      client.nodes.map((address) => client.toNode(address, metadataRequest(names))),
    );
    const pending = views.some(
      (view) =>
        view.status === "fulfilled" &&
        !names.every((name) =>
          holds(view.value.topics.find((each) => each.name === name && each.error !== 3)),
        ),
    );
    if (!pending && views.some(({ status }) => status === "fulfilled")) {
      return;
    }
    if (backoff.expired) {
      throw client.unavailable("Metadata", `${names.join(", ")} do not reach every node`);
    }
    await backoff.wait();
  }
}

function led({ leaders }: TopicMetadata): boolean {
  return leaders.length > 0 && leaders.every((leader) => leader >= 0);
}

/** Sends to the controller until no topic has an error, but for one that says it is done. */
async function insist(
  client: ClusterClient,
  request: KafkaRequest<TopicResult[]>,
  done: number,
): Promise<void> {
  const failure = (results: readonly TopicResult[]) =>
    results.find(({ error }) => error !== kafkaCode.none && error !== done);
  const results = await client.onController(
    request,
    (answered) => failure(answered)?.error ?? kafkaCode.none,
  );
  const failed = failure(results);
  if (failed !== undefined) {
    const { name, error, message } = failed;
    throw kafkaError(error, request.api.name, { topic: name, detail: message });
  }
}
