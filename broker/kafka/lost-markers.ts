import type { TopicPartition, TransactionScope } from "../broker.ts";
import { type ClusterClient, placeOf } from "./cluster-client.ts";
import { kafkaCode, kafkaError } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import {
  describeProducersRequest,
  type ListedTransaction,
  listTransactionsRequest,
  type ProducerIdentity,
} from "./requests/transactions.ts";
import { TransactionClient } from "./transaction-client.ts";

/*
 * A partition whose last leader is lost with all other nodes (a single node is killed, the power
 * of a whole cluster fails) has no leader for a while when they are back. A coordinator that by
 * then writes the end markers of a transaction takes such a partition for deleted, leaves it out
 * and calls the transaction complete (seen on Kafka 4.3.1; its log: "these partitions are likely
 * deleted already and hence can be skipped"). The transaction then stays open there for ever:
 * nobody reads beyond it. Kafka's own remedy (KIP-664, `kafka-transactions.sh abort`) asks for
 * rights on the cluster and aborts what may be committed elsewhere. Ours: the next producer of the
 * id, which has the same producer id, begins a transaction over the same partitions and ends it as
 * the coordinator says that the lost one has ended: its markers end both.
 */

/** A transaction that its coordinator calls complete and that is open in a partition. */
export interface Unended {
  readonly id: string;
  readonly producerId: number;
  readonly committed: boolean;
}

/** The states in which a coordinator says how the last transaction ended, and how. */
const endOf: ReadonlyMap<string, boolean> = new Map([
  ["CompleteCommit", true],
  ["CompleteAbort", false],
]);

/**
 * The transactions in a scope whose end markers are lost. Where nothing is open, which is nearly
 * always, it costs one request a node.
 */
export async function unendedTransactions(
  client: ClusterClient,
  lane: Lane,
  scope: TransactionScope,
): Promise<Unended[]> {
  const partitions = await partitionsOf(client, scope);
  const before = await openIn(client, lane, partitions);
  if (before.size === 0) return [];
  const producerIds = [...new Set(before.values())];
  const listed = await listTransactions(client, { states: [...endOf.keys()], producerIds });
  if (listed.length === 0) return [];
  // Complete means that all markers stand: what was open before that and is after it never ends.
  const after = await openIn(client, lane, partitions);
  const lost = new Set([...before].filter(([place]) => after.has(place)).map(([, id]) => id));
  return listed
    .filter(({ producerId }) => lost.has(producerId))
    .map(({ id, producerId, state }) => ({ id, producerId, committed: endOf.get(state) === true }));
}

/** Ends a transaction once more, by the identity of the next producer of its id. */
export async function endAgain(
  client: ClusterClient,
  lane: Lane,
  { id, committed }: Unended,
  identity: ProducerIdentity,
  scope: TransactionScope,
): Promise<void> {
  const transaction = new TransactionClient(client, lane, id, identity);
  transaction.begin();
  await transaction.addPartitions(await partitionsOf(client, scope));
  await transaction.addGroup(scope.group);
  await transaction.end(committed);
}

/** @throws {MillraceError} BROKER_AUTHORIZATION and others when a node refuses. */
export async function listTransactions(
  client: ClusterClient,
  wanted: Parameters<typeof listTransactionsRequest>[0],
): Promise<ListedTransaction[]> {
  const lists = await client.everyNode(listTransactionsRequest(wanted), ({ error }) => error);
  const failed = lists.find(({ error }) => error !== kafkaCode.none);
  if (failed !== undefined) throw kafkaError(failed.error, "ListTransactions", {});
  return lists.flatMap(({ transactions }) => transactions);
}

async function partitionsOf(
  client: ClusterClient,
  { topics }: TransactionScope,
): Promise<TopicPartition[]> {
  const metadata = await client.refresh(topics);
  return metadata.topics.flatMap(({ name: topic, leaders }) =>
    leaders.map((_, partition) => ({ topic, partition })),
  );
}

/**
 * Producer ids by where a transaction of theirs stands open: partition, producer and first offset.
 * What may not be read is left out: the others tell as well.
 */
async function openIn(
  client: ClusterClient,
  lane: Lane,
  partitions: readonly TopicPartition[],
): Promise<Map<string, number>> {
  const results = await client.onLeaders(lane, partitions, describeProducersRequest, (place) => ({
    ...place,
    error: kafkaCode.unknownTopicOrPartition,
    open: [],
  }));
  const found = new Map<string, number>();
  for (const result of results) {
    for (const { producerId, start } of result.open) {
      found.set(`${placeOf(result)} ${producerId} ${start}`, producerId);
    }
  }
  return found;
}
