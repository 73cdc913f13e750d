import assert from "node:assert/strict";
import { test } from "node:test";
import { labelPayload } from "../../schemas/payload.ts";
import type { RouteField } from "../../schemas/route.ts";
import type { ScalarType } from "../../schemas/row-layout.ts";
import { flights } from "./flights.ts";

/** What a field of a route writes, as a field of a layout has it. */
function typeOf({ from }: RouteField): ScalarType | null {
  if (from === "key" || from === "text") return "text";
  return from === "row" || from === "byte" ? null : "number";
}

test("the route of labels writes the fields of the layout that is read", () => {
  const routes = flights.subtopologies.flatMap(({ operator, outputs }) =>
    operator.kind !== "source"
      ? []
      : operator.spec.routes.filter(({ output }) => {
          const target = outputs[output];
          return target?.kind === "inbox" && target.input === "labels";
        }),
  );
  assert.equal(routes.length, 1);
  assert.deepEqual(
    routes[0]?.fields.map(typeOf),
    labelPayload.layout.fields.map(({ type }) => type),
  );
});
