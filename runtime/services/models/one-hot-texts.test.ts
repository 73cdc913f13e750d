/** Which texts the features of a vector are of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Encoding, encodingText } from "../../../schemas/encodings/encodings.ts";
import { hashed, oneHot } from "../../../schemas/encodings/kinds.ts";
import { oneHotTexts } from "./one-hot-texts.ts";

test("every text of a oneHot is found under the name before it, those with a hash in theirs too", () => {
  const texts = ["DE", "South Tyrol", "de", "東京", "plain_name"] as const;
  const { encodings } = oneHot("country", texts);
  const named = [...encodings, ...hashed("country", 2).encodings].map(({ suffix, encoding }) => ({
    name: `home_country_${suffix}`,
    field: "country",
    calendar: false,
    encoding: encoding as Encoding,
  }));
  const found = oneHotTexts({ request: named, lookups: [] });
  assert.deepEqual([...found.keys()], ["home_country"]);
  assert.deepEqual(
    found.get("home_country")?.map(({ text }) => text),
    texts,
  );
  assert.equal(encodingText(named[0]?.encoding as Encoding, "country"), 'country is "DE"');
});
