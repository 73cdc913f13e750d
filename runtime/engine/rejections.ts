import {
  allTextsLimitBytes,
  keyLimitBytes,
  textLimitBytes,
} from "../../processors/source/record-bounds.ts";

export { keyLimitBytes };

/**
 * Largest source record that is taken, value and key together, in bytes: so that a topic's own
 * limit, twice as much, holds whatever is wrapped around them.
 */
export const recordLimitBytes = 512 * 1024;

/** Why a record of a source becomes a dead letter, for people; the code is what programs match. */
export const rejectionReasons: Readonly<Record<string, string>> = {
  NULL_KEY: "the record has no key; the key must be the text of the partition field",
  KEY_MISMATCH: "the record key is not the text of the partition field of its value",
  WRONG_PARTITION:
    "the record stands in another partition than murmur2 of its key names; " +
    "librdkafka clients set partitioner=murmur2_random",
  EVENT_TIME_MISSING: "the event time is missing or not a time in milliseconds",
  EVENT_TIME_AHEAD: "the event time lies too far in the future and would make others late",
  KEY_OVERSIZE: `a key, or the text of fields that make one, takes more than ${keyLimitBytes} bytes`,
  TEXT_OVERSIZE:
    `a text takes more than ${textLimitBytes} bytes in what is derived from the record, ` +
    `or all of them more than ${allTextsLimitBytes}`,
  RECORD_OVERSIZE: `the value and the key together are larger than ${recordLimitBytes} bytes`,
};
