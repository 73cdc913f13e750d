import { z } from "zod";
import type { EventIngest, EventOutcome } from "../../runtime/ingest/event-ingest.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { anyObject } from "../any-names.ts";
import { type Answer, type Door, door } from "../door.ts";
import { IdempotentAnswers } from "../idempotent-answers.ts";
import { invalid } from "../read-request.ts";

/** Events of a request. */
const eventsMost = 10_000;

const result = z.union([
  z.object({ index: z.number(), partition: z.number(), offset: z.number() }),
  z.object({ index: z.number(), code: z.string(), reason: z.string() }),
]);

const answers = z.union([
  z.object({ topic: z.string(), partition: z.number(), offset: z.number() }),
  z.object({
    ...{ topic: z.string(), accepted: z.number(), refused: z.number() },
    results: z.array(result).describe("In the order of the events."),
  }),
]);

const body = z.union([anyObject, z.array(z.unknown()).min(1).max(eventsMost)], {
  error: `send an object, or a list of 1 to ${eventsMost} of them`,
});

/** A key that a client makes: as long as a text of two UUIDs, and then some. */
const idempotencyKey = /^[\x21-\x7e]{1,128}$/;

/**
 * Events in.
 *
 * @param ingest - null: the gateway serves a replay, and takes none.
 */
export function eventDoor(ingest: EventIngest | null): Door {
  const once = new IdempotentAnswers();
  return door({
    method: "POST",
    path: "/v1/events/:topic",
    scope: "ingest",
    title: "Send events",
    about:
      "One event as an object, or a batch as a list or as lines of JSON (application/x-ndjson). Each is checked against the schema of the source and written in its format; the answer comes once Kafka has acknowledged them. Of a batch in which some are refused the others stand (207; 422 where all are refused).",
    parts: { topic: "a source topic of the application" },
    takes: "value-or-lines",
    body,
    headers: {
      "Idempotency-Key":
        "The same key with the same body within ten minutes, at the same gateway: the answer of the first request, and nothing is written again.",
    },
    answers: { status: 202, schema: answers },
    errors: [
      ...([
        "EVENT_REFUSED",
        "EVENTS_CLOSED",
        "EVENT_TOPIC_UNKNOWN",
        "EVENT_TOPIC_MISSING",
      ] as const),
      ...(["IDEMPOTENCY_CONFLICT", "SCHEMA_INCOMPATIBLE"] as const),
    ],
    handle: async ({ path: { topic = "" }, body: given, headers, user }) => {
      if (ingest === null) throw new MillraceError("EVENTS_CLOSED");
      const send = async () => answerOf(topic, given, await ingest.put(topic, [given].flat()));
      const key = headers["idempotency-key"];
      if (key === undefined) return await send();
      if (typeof key !== "string" || !idempotencyKey.test(key)) {
        invalid("headers.idempotency-key", "write 1 to 128 characters of ASCII without spaces");
      }
      return await once.once(`${user ?? ""} ${topic} ${key}`, given, send);
    },
  });
}

function answerOf(topic: string, given: unknown, outcomes: readonly EventOutcome[]): Answer {
  const [only] = outcomes;
  if (!Array.isArray(given)) {
    if (only?.kind === "accepted") {
      return { status: 202, body: { topic, partition: only.partition, offset: only.offset } };
    }
    const reason = only?.reason ?? "";
    throw new MillraceError("EVENT_REFUSED", { where: "body", topic, reason });
  }
  const refused = outcomes.filter(({ kind }) => kind === "refused").length;
  const results = outcomes.map((outcome, index) =>
    outcome.kind === "accepted"
      ? { index, partition: outcome.partition, offset: outcome.offset }
      : { index, code: "EVENT_REFUSED", reason: outcome.reason },
  );
  const status = refused === 0 ? 202 : refused < outcomes.length ? 207 : 422;
  const body = { topic, accepted: outcomes.length - refused, refused, results };
  return { status, body, refused: new Array<string>(refused).fill("EVENT_REFUSED") };
}
