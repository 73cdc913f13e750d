import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { type ErrorAnswer, grpcTodo } from "../answers.ts";

/** By the status of HTTP that a code is answered with. */
const statuses: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  409: status.FAILED_PRECONDITION,
  413: status.RESOURCE_EXHAUSTED,
  422: status.INVALID_ARGUMENT,
  429: status.RESOURCE_EXHAUSTED,
  499: status.CANCELLED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

/** What a call is told that failed: the message, and behind it the code and when to ask again. */
export function refusalOf({ status: of, headers, body }: ErrorAnswer): StatusObject {
  const metadata = new Metadata();
  metadata.set("millrace-code", body.code);
  const wait = headers["retry-after"];
  if (wait !== undefined) metadata.set("retry-after", wait);
  // The library fails at halves of letters that were cut in two.
  const details = Buffer.from(`${body.message} ${grpcTodo(body)}`).toString();
  return { code: statuses[of] ?? status.INTERNAL, details, metadata };
}
