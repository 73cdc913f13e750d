// What the compiler knows of features that hold values of a field. Never run: each line below an
// expectation must fail to compile, every other must compile.

import type { Encoded } from "../../schemas/encodings/encoding.ts";
import { hashed, oneHot } from "../../schemas/encodings/kinds.ts";
import type { RecordSchema } from "../../schemas/record-schema.ts";
import { agg } from "./aggregates.ts";
import { offline, online, topic } from "./roles.ts";
import { type FeatureOf, prior } from "./scoring.ts";
import { from } from "./stream.ts";

interface Payment {
  readonly id: string;
  readonly at: number;
  readonly card: string;
  readonly amount: number | null;
  readonly country: string | null;
  readonly status: "paid" | "refused";
  readonly abroad: boolean;
  readonly tags: readonly string[];
}
declare const payment: RecordSchema<Payment>;

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(equal: Equal<A, B>): void;

const payments = from("payments", payment).timedBy("at", { lateness: "5s" }).partitionedBy("id");
const hourly = payments.keyedBy("card").over("1h");

// @ts-expect-error there is no such field
hourly.compute({ last: agg.last("shop") });
// @ts-expect-error a list is no value
hourly.compute({ last: agg.last("tags") });
// @ts-expect-error a text has no mean
hourly.compute({ mean: agg.mean("country") });
// @ts-expect-error a boolean has no largest value
hourly.compute({ most: agg.max("abroad") });

const cards = hourly
  .compute({
    payments: agg.count(),
    lastAmount: agg.last("amount"),
    lastAbroad: agg.last("abroad"),
    lastCountry: agg.last("country"),
    firstStatus: agg.first("status"),
  })
  .asFeatureView("cards@1", { ttl: "2h" })
  .into(online, offline);

const enriched = payments.enrichedWith({ theCard: cards.at("card") }, { missing: "null" });
const options = { model: "@champion", deadline: "20ms", fallback: prior(0.2) } as const;

// A text is no feature by itself.
const plain = enriched.scoredBy("fraud", options).into(topic("scores"));
type Plain = "the_card_payments_1h" | "the_card_last_amount_1h" | "the_card_last_abroad_1h";
same<FeatureOf<typeof plain>, Plain>(true);

const derived = enriched
  .derived({ lastIn: oneHot("the_card_last_country_1h", ["DE", "FR"]) })
  .derived({ began: hashed("the_card_first_status_1h", 4) });
const scores = derived.scoredBy("fraud", options).into(topic("scores"));
type Derived = Plain | "last_in_de" | "last_in_fr" | `began_hash_${bigint}`;
same<FeatureOf<typeof scores>, Derived>(true);

// A text that is no name has its hash in the name, which the compiler cannot know.
const places = oneHot("theCardLastCountry", ["South Tyrol", "DE", "FR", "fr", ""]);
same<typeof places extends Encoded<never, infer S> ? S : never, `${string}_${string}` | "de">(true);

// @ts-expect-error the window belongs to the name
enriched.derived({ lastIn: oneHot("the_card_last_country", ["DE"]) });
// @ts-expect-error a number is no text
enriched.derived({ amount: oneHot("the_card_last_amount_1h", ["1"]) });
// @ts-expect-error a field of the record is a request feature
enriched.derived({ country: oneHot("country", ["DE"]) });
// @ts-expect-error a text becomes numbers
enriched.derived({ lastIn: "the_card_last_country_1h" });
// @ts-expect-error without look-ups there are no texts of views
payments.enrichedWith({}, { missing: "null" }).derived({ on: oneHot("card", ["a"]) });
