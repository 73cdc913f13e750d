/** What the compiler refuses about errors. */
import { type DeadLetterCode, MillraceError } from "./errors.ts";

export const whole = new MillraceError("UNKNOWN_TASK", { task: "view/0" });
export const withMore = new MillraceError("UNKNOWN_TASK", { task: "view/0", member: "0" });
export const withoutFacts = new MillraceError("SCORING_CLOSED");
export const letter: DeadLetterCode = "NULL_KEY";

// @ts-expect-error: the message names {task}.
export const missing = new MillraceError("UNKNOWN_TASK");

// @ts-expect-error: a misspelt fact leaves {task} open.
export const misspelt = new MillraceError("UNKNOWN_TASK", { tasks: "view/0" });

// @ts-expect-error: no such code.
export const unknown = new MillraceError("UNKNOWN_TASKS", { task: "view/0" });

// @ts-expect-error: what becomes a dead letter is an outcome and never thrown.
export const thrown = new MillraceError("NULL_KEY", {});

// @ts-expect-error: what stops a task is no dead letter.
export const stops: DeadLetterCode = "UNKNOWN_TASK";
