import type { Plan } from "../../schemas/plan.ts";
import { compile } from "./compile.ts";
import type { Step } from "./definitions.ts";

export interface TopologyOptions {
  /**
   * Partitions of every topic that is partitioned by a key; sources have as many.
   * @default 4
   */
  readonly partitions?: number;
  /**
   * `exactly-once` in Kafka by transactions, or the same path without them.
   * @default "exactly-once"
   */
  readonly guarantee?: Plan["guarantee"];
}

/**
 * Builds a plan from steps by name. Steps that are built on must be among them; feature views are
 * included wherever they are looked up, under names of their own. Connects to nothing.
 *
 * @throws {MillraceError} TOPOLOGY_INVALID listing every rule that does not hold.
 * @example topology("payments", { scores, disputed })
 */
export function topology(
  name: string,
  steps: Readonly<Record<string, Step>>,
  { partitions = 4, guarantee = "exactly-once" }: TopologyOptions = {},
): Plan {
  return compile({ name, partitions, guarantee }, steps);
}
