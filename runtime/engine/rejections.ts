import {
  allTextsLimitBytes,
  keyLimitBytes,
  textLimitBytes,
} from "../../processors/source/record-bounds.ts";
import { type DeadLetterCode, type ErrorContext, errorMessage } from "../../schemas/errors.ts";

export { keyLimitBytes };

/**
 * Largest source record that is taken, value and key together, in bytes: so that a topic's own
 * limit, twice as much, holds whatever is wrapped around them.
 */
export const recordLimitBytes = 512 * 1024;

/** Why a record becomes a dead letter, for people; the code is what programs match. */
export function rejectionReason(code: DeadLetterCode, facts: ErrorContext = {}): string {
  return errorMessage(code, { ...limits, ...facts });
}

const limits = { keyLimitBytes, textLimitBytes, allTextsLimitBytes, recordLimitBytes };
