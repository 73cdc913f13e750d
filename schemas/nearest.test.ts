import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "./nearest.ts";

test("a name that is close is proposed, and never the name itself", () => {
  assert.equal(nearest("crd", ["shop", "card"]), " (did you mean card?)");
  assert.equal(nearest("Card", ["card"]), " (did you mean card?)");
  assert.equal(nearest("country", ["card"]), "");
  assert.equal(nearest("card", ["cart", "card", "cards"]), "");
});
