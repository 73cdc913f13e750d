import assert from "node:assert/strict";
import { test } from "node:test";
import { MillraceError } from "../../schemas/errors.ts";
import { addUp } from "./add-up.ts";

const away = () =>
  new MillraceError("OFFLINE_UNAVAILABLE", { where: "http://127.0.0.1:1", reason: "refused" });

test("a summary waits for a store that is away, and says so once", async () => {
  const told: string[] = [];
  let tries = 0;
  const read = async () => {
    if (++tries < 4) throw away();
    return 7;
  };
  const got = await addUp(read, new AbortController().signal, (what, error) => {
    told.push(`${what} ${error === null ? "is back" : "is away"}`);
  });
  assert.deepEqual([got, tries], [7, 4]);
  assert.deepEqual(told, ["the offline store is away", "the offline store is back"]);
});

test("an interrupt ends the wait of a summary with the error that it waits for", async () => {
  const stop = new AbortController();
  const waiting = addUp(
    async () => {
      throw away();
    },
    stop.signal,
    (_, error) => {
      if (error !== null) stop.abort();
    },
  );
  await assert.rejects(waiting, { code: "OFFLINE_UNAVAILABLE" });
});

test("what no waiting mends ends the summary at once", async () => {
  const tell = () => assert.fail("nothing is waited for");
  const refuse = async () => {
    throw new RangeError("no such table");
  };
  await assert.rejects(addUp(refuse, new AbortController().signal, tell), RangeError);
});
