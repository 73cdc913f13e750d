import assert from "node:assert/strict";
import { test } from "node:test";
import { viewsOf } from "../schemas/plan-facts.ts";
import { flights } from "../topologies/flights/flights.ts";
import { checkKey, findView } from "./served-view.ts";

test("a view that stands in several plans, as one that has grown does, is listed once", () => {
  const asked = { view: "nothing", topology: null };
  assert.throws(() => findView([flights, flights], asked), {
    code: "VIEW_UNKNOWN",
    message:
      /There are: destination_delays@1, origin_delays@1, origin_traffic@1, route_delays@1\.$/,
  });
});

test("a key of too few values is told the fields of the view's, with commas", () => {
  const view = viewsOf(flights)[0];
  assert.ok(view !== undefined);
  assert.throws(() => checkKey({ ...view, keyFields: ["item.sku", "customer.country"] }, ["1"]), {
    code: "VIEW_KEY_INVALID",
    message: /has the fields item\.sku, customer\.country; 1 given\.$/,
  });
});
