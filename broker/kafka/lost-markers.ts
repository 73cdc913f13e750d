import type { TopicPartition, TransactionScope } from "../broker.ts";
import { Backoff } from "./backoff.ts";
import { type ClusterClient, placeOf } from "./cluster-client.ts";
import { kafkaCode, kafkaError } from "./error-codes.ts";
import type { Lane } from "./lane.ts";
import { offsetFetchRequest } from "./requests/groups.ts";
import {
  describeProducersRequest,
  describeTransactionRequest,
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
 * nobody reads beyond it. So, too, where it is a partition of `__consumer_offsets`: the offsets of
 * the group stay unstable. Kafka's own remedy (KIP-664, `kafka-transactions.sh abort`) asks for
 * rights on the cluster and aborts what may be committed elsewhere. Ours: the next producer of the
 * id, which has the same producer id, begins a transaction over the same partitions and ends it as
 * the coordinator says that the lost one has ended: its markers end both.
 */

/** How the last transaction of an id ended, or ends once a new producer of the id is there. */
export interface LastEnd {
  readonly producerId: number;
  readonly committed: boolean;
}

/** The states in which a coordinator says how the last transaction ended, and how. */
const endOf: ReadonlyMap<string, boolean> = new Map([
  ["CompleteCommit", true],
  ["CompleteAbort", false],
]);

/** The states in which its end is decided and its markers are being written. */
const ending: readonly string[] = ["PrepareCommit", "PrepareAbort", "PrepareEpochFence"];

/** Whose offsets are unstable for so long, ms, at each look: of a live one none is. */
const stuckAfterMs = 1_000;

/**
 * How the last transaction of an id ended; null where there is none. To be asked before there is a
 * new producer of the id: with it the coordinator forgets. Waits for what is about to end, and
 * until there is a leader wherever what is open may be ended by the new producer.
 *
 * @throws {MillraceError} BROKER_UNAVAILABLE when it does not end within the limit.
 */
export async function lastEnd(
  client: ClusterClient,
  lane: Lane,
  id: string,
  scope: TransactionScope,
): Promise<LastEnd | null> {
  const backoff = new Backoff(client.limitMs);
  for (;;) {
    const request = describeTransactionRequest(id);
    const { answer } = await client.onCoordinator(lane, "transaction", id, request, errorOf);
    const { error, state, producerId } = answer;
    if (error === kafkaCode.transactionalIdNotFound) return null;
    if (error !== kafkaCode.none) {
      throw kafkaError(error, "DescribeTransactions", { transactionalId: id });
    }
    const committed = endOf.get(state);
    if (committed !== undefined) return { producerId, committed };
    if (state === "Ongoing") {
      await openIn(client, lane, await partitionsOf(client, scope.topics));
      await offsetsAreStuck(client, lane, scope);
      return { producerId, committed: false };
    }
    if (!ending.includes(state)) return null;
    if (backoff.expired) {
      throw client.unavailable("DescribeTransactions", `the last transaction of ${id} is ${state}`);
    }
    await backoff.wait();
  }
}

/**
 * Ends the last transaction of an id once more, by the identity of the next producer of the id,
 * where something of it is still open: by now nothing should be. Where nothing is, which is nearly
 * always, it costs three requests.
 */
export async function endAgainWhereOpen(
  client: ClusterClient,
  lane: Lane,
  id: string,
  { producerId, committed }: LastEnd,
  identity: ProducerIdentity,
  scope: TransactionScope,
): Promise<void> {
  if (producerId !== identity.producerId) return;
  const partitions = await partitionsOf(client, scope.topics);
  const isOpen = (await openIn(client, lane, partitions)).has(producerId);
  if (!isOpen && !(await offsetsAreStuck(client, lane, scope))) return;
  const transaction = new TransactionClient(client, lane, id, identity);
  transaction.begin();
  await transaction.addPartitions(partitions);
  await transaction.addGroup(scope.group);
  await transaction.end(committed);
}

/**
 * Of the ids that are asked for, those whose last transaction has ended and may still be open in
 * the scope: a new producer of the id finds out and mends it.
 */
export async function perhapsUnended(
  client: ClusterClient,
  lane: Lane,
  scope: TransactionScope,
  isAskedFor: (id: string) => boolean,
): Promise<string[]> {
  const open = await openIn(client, lane, await partitionsOf(client, scope.topics));
  const areStuck = await offsetsAreStuck(client, lane, scope);
  if (open.size === 0 && !areStuck) return [];
  const states = [...endOf.keys(), ...ending];
  const producerIds = areStuck ? [] : [...open];
  const listed = await listTransactions(client, { states, producerIds });
  return listed.map(({ id }) => id).filter(isAskedFor);
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
  topics: readonly string[],
): Promise<TopicPartition[]> {
  if (topics.length === 0) return [];
  const metadata = await client.refresh(topics);
  return metadata.topics.flatMap(({ name: topic, leaders }) =>
    leaders.map((_, partition) => ({ topic, partition })),
  );
}

/**
 * The producers of whom something stands open in the partitions. What may not be read is left out:
 * the others tell as well.
 */
async function openIn(
  client: ClusterClient,
  lane: Lane,
  partitions: readonly TopicPartition[],
): Promise<Set<number>> {
  const results = await client.onLeaders(lane, partitions, describeProducersRequest, (place) => ({
    ...place,
    error: kafkaCode.unknownTopicOrPartition,
    open: [],
  }));
  return new Set(results.flatMap(({ open }) => open.map(({ producerId }) => producerId)));
}

/**
 * Whether a transaction stands open in the offsets of the group that will not end: the coordinator
 * of a group tells that there is one, and not whose.
 */
async function offsetsAreStuck(
  client: ClusterClient,
  lane: Lane,
  { group, offsetsOf }: TransactionScope,
): Promise<boolean> {
  const request = offsetFetchRequest(group, await partitionsOf(client, offsetsOf));
  const backoff = new Backoff(stuckAfterMs, 10, 100);
  for (let always: Set<string> | null = null; ; ) {
    const { answer } = await client.onCoordinator(lane, "group", group, request, errorOf);
    if (answer.error !== kafkaCode.none) throw kafkaError(answer.error, "OffsetFetch", { group });
    const unstable = answer.offsets.filter(({ error }) => error === kafkaCode.unstableOffsets);
    const now = unstable.map(placeOf);
    always = new Set(now.filter((place) => always?.has(place) ?? true));
    if (always.size === 0) return false;
    if (backoff.expired) return true;
    await backoff.wait();
  }
}

function errorOf({ error }: { readonly error: number }): number {
  return error;
}
