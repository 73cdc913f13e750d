import type { StoreRole } from "../definitions.ts";
import type { Problems } from "./problems.ts";

/** Stores of a step that may go into the offline store. */
export function storesOf(
  problems: Problems,
  where: string,
  roles: readonly StoreRole[],
): readonly "offline"[] {
  problems.check(
    roles.every(({ role }) => role === "offline"),
    where,
    "into() takes a topic and offline; only feature views go online",
  );
  problems.check(roles.length <= 1, where, "into() names a store twice");
  return roles.length > 0 ? ["offline"] : [];
}
