import type { Condition } from "../../../schemas/expression.ts";
import type { AvroSchema } from "../../../schemas/plan.ts";
import { avroField, scalarKind } from "./avro-field.ts";
import type { Problems } from "./problems.ts";

/** Checks that a condition fits the records that it will be asked about. */
export function checkCondition(
  problems: Problems,
  where: string,
  condition: Condition,
  schema: AvroSchema,
): void {
  switch (condition.op) {
    case "and":
    case "or":
      problems.check(condition.all.length > 0, where, `${condition.op}() has no test`);
      for (const part of condition.all) checkCondition(problems, where, part, schema);
      return;
    case "not":
      checkCondition(problems, where, condition.condition, schema);
      return;
    case "custom":
      problems.check(
        /^[A-Za-z]\w{0,79}$/.test(condition.name),
        where,
        `custom condition "${condition.name}" needs a name of letters, digits and _`,
      );
      problems.whole(
        where,
        `version of custom condition "${condition.name}"`,
        condition.version,
        1,
      );
      return;
    default: {
      const field = avroField(schema, condition.field);
      const kind = field === null ? null : scalarKind(field);
      problems.check(
        kind === typeof condition.value,
        where,
        field === null
          ? `${condition.op}("${condition.field}", …): ${schema.name} has no such field`
          : `${condition.op}("${condition.field}", …) compares a field of type ${field.type} ` +
              `with a ${typeof condition.value}`,
      );
      problems.check(
        typeof condition.value !== "number" || Number.isFinite(condition.value),
        where,
        `${condition.op}("${condition.field}", ${condition.value}) needs a finite number`,
      );
    }
  }
}
