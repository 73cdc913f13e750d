/** Starts of one topology at one instant: one of them goes on, the others come after it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, Producer, ProducerOptions } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { ForwardingBroker, ForwardingProducer } from "../../broker/forwarding.ts";
import { viewId } from "../../schemas/feature-view.ts";
import type { Plan } from "../../schemas/plan.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import { partsOf } from "../../schemas/plan-parts.ts";
import { shopTopology } from "../../testing/shops-fixture.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";
import { agreeOnPlan } from "../engine/plan-agreement.ts";
import { standingParts } from "../engine/standing-plan.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { createSources } from "./create-sources.ts";
import { readGrowth } from "./growth.ts";
import { agreeOnStart } from "./start-agreement.ts";

const small = shopTopology("shops", 4);
const longer = shopTopology("shops", 4, { second: ["1h", "3h"] });
const longest = shopTopology("shops", 4, { second: ["1h", "6h"] });
/** Its strand has another name than those of the others. */
const wider = shopTopology("shops", 4, { counted: true });

/** A broker as one start sees it, which another start comes before at a moment. */
class OvertakenBroker extends ForwardingBroker {
  readonly #at: "send" | "commit";
  readonly #others: (() => Promise<unknown>)[];

  /** @param others - each runs whole at that moment of one transaction, in order. */
  constructor(broker: Broker, at: "send" | "commit", others: readonly (() => Promise<unknown>)[]) {
    super(broker);
    this.#at = at;
    this.#others = [...others];
  }

  override async producer(options: ProducerOptions): Promise<Producer> {
    // Whoever reads waits for what is about to be committed, or given up.
    const inner = await super.producer({ ...options, transactionTimeoutMs: 20 });
    const overtake = async (moment: "send" | "commit") => {
      if (moment === this.#at) await this.#others.shift()?.();
    };
    return new (class extends ForwardingProducer {
      override async send(batches: Parameters<Producer["send"]>[0]): Promise<number[]> {
        await overtake("send");
        return await super.send(batches);
      }
      override async commit(): Promise<void> {
        await overtake("commit");
        await super.commit();
      }
    })(inner);
  }
}

async function servers(standing: Plan | null) {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await createSources(broker, [longer]);
  if (standing !== null) await agreeOnPlan(broker, standing);
  return { broker, registry };
}

type Servers = Awaited<ReturnType<typeof servers>>;

const refused = { code: "PLAN_CHANGED" };
const start = (all: Servers, plan: Plan, broker: Broker = all.broker) =>
  agreeOnStart({ ...all, broker }, plan, null);
const prints = (parts: readonly { readonly part: string; readonly fingerprint: string }[]) =>
  parts.map(({ part, fingerprint }) => [part, fingerprint]).sort();

/** All that is written down of a topology is as this plan, started alone, would have it. */
async function standsAs({ broker }: Servers, plan: Plan, running: readonly Plan[]): Promise<void> {
  const alone = await servers(small);
  const expected = await start(alone, plan);
  assert.deepEqual(
    running.map(({ name, growth }) => [name, growth]),
    expected.map(({ name, growth }) => [name, growth]),
  );
  const plans = (await broker.describeTopics()).filter(({ name }) => name.endsWith(".plan"));
  for (const { name: topic } of plans) {
    const name = topic.slice(0, -planTopic("").length);
    assert.deepEqual(
      prints(await standingParts(broker, name)),
      prints(await standingParts(alone.broker, name)),
    );
    assert.deepEqual(await readGrowth(broker, name), await readGrowth(alone.broker, name));
  }
  await alone.broker.close();
}

test("of two first starts with different plans one goes on, whole", async () => {
  for (const at of ["send", "commit"] as const) {
    const all = await servers(null);
    const other = shopTopology("shops", 5);
    const first = new OvertakenBroker(all.broker, at, [() => agreeOnPlan(all.broker, other)]);
    await assert.rejects(agreeOnPlan(first, small), refused);
    assert.deepEqual(prints(await standingParts(all.broker, "shops")), prints(partsOf(other)));
    await all.broker.close();
  }
});

test("of two starts that add other columns or views at once one goes on, whole", async () => {
  for (const [slower, faster] of [
    [longer, longest],
    [longest, longer],
    [wider, longer],
    [longer, wider],
  ] as const) {
    for (const at of ["send", "commit"] as const) {
      const all = await servers(small);
      let won: readonly Plan[] = [];
      const overtaking = async () => {
        won = await start(all, faster);
      };
      const broker = new OvertakenBroker(all.broker, at, [overtaking]);
      await assert.rejects(start(all, slower, broker), refused);
      await standsAs(all, faster, won);
      await assert.rejects(start(all, slower), refused, "nor does it later");
      assert.deepEqual(await start(all, faster), won);
      await all.broker.close();
    }
  }
});

test("a start that another of the same plan overtakes follows it", async () => {
  const all = await servers(small);
  const same = () => start(all, longer);
  const broker = new OvertakenBroker(all.broker, "commit", [same, same]);
  await standsAs(all, longer, await start(all, longer, broker));
  await all.broker.close();
});

test("a start that has nothing to write ends nobody's", async () => {
  const all = await servers(small);
  const broker = new OvertakenBroker(all.broker, "send", [() => start(all, small)]);
  await standsAs(all, longer, await start(all, longer, broker));
  assert.deepEqual(viewsOf(longer).map(viewId), ["shop@1", "shop@2"]);
  await all.broker.close();
});

test("of a start that its topics refuse nothing is written down", async () => {
  const all = await servers(null);
  const output = { name: "shops.scores", partitions: 7, config: {} };
  await all.broker.createTopics([output]);
  await assert.rejects(start(all, small), { code: "TOPIC_MISMATCH" });
  assert.deepEqual(await standingParts(all.broker, "shops"), []);
  await all.broker.deleteTopics([output.name]);
  await start(all, shopTopology("shops", 5));
  await all.broker.close();
});
