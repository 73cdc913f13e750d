import type { PlacedMessage } from "./parse-proto.ts";
import { fail, type WireInput } from "./wire-input.ts";

/** Levels of messages within messages that a value may name. */
const maxLevels = 32;

/**
 * Takes the indexes behind a schema id, which say what message of the schema a value is: how many,
 * then one a level, all zigzag; the first message alone is a zero.
 *
 * @see Confluent's wire format, "Protobuf".
 */
export function takeIndexes(input: WireInput, placed: readonly PlacedMessage[]): PlacedMessage {
  const count = input.zigzag();
  if (count < 0 || count > maxLevels) fail(`it has ${count} message indexes`);
  let [level, found] = [placed, undefined as PlacedMessage | undefined];
  for (let left = Number(count) || 1; left > 0; left--) {
    const index = Number(count) === 0 ? 0 : Number(input.zigzag());
    found = level[index];
    if (found === undefined) fail(`its schema has no message ${index} where its indexes say so`);
    level = found.nested;
  }
  return found as PlacedMessage;
}
