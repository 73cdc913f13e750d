import { z } from "zod";

/** What `z.record` passes over without a word, for a plain object cannot be given it. */
const odd = "__proto__";

/**
 * An object of a client's own names with values of one shape. A key `__proto__` is refused, so that
 * no key is dropped unsaid.
 */
export function byName<T extends z.ZodType>(value: T) {
  return z.preprocess(
    (given, context) => {
      if (typeof given === "object" && given !== null && Object.hasOwn(given, odd)) {
        context.addIssue({
          code: "unrecognized_keys",
          keys: [odd],
          input: given as Record<string, unknown>,
        });
      }
      return given;
    },
    z.record(z.string(), value),
  );
}

/** An object as it came, whatever its keys are: for who looks at each of them. */
export const anyObject = z
  .unknown()
  .check(({ value, issues }) => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
    issues.push({ code: "invalid_type", expected: "record", input: value });
  })
  .meta({ type: "object", propertyNames: { type: "string" }, additionalProperties: {} });
