/** A range that is replayed, and what is done to it. */
export interface Scenario {
  readonly name: "undisturbed" | "shift" | "permute";
  /** As written after `--inject`; null: nothing. */
  readonly inject: string | null;
  readonly promise: string;
}

/** Replayed in each scenario, UTC days: `--from` and `--to`. */
export const scenarioRange = { from: "2001-02-15", to: "2001-03-15" } as const;

/** UTC day whose flights are the first to be disturbed. */
export const disturbedFrom = "2001-03-03";

export const scenarios: readonly Scenario[] = [
  {
    name: "undisturbed",
    inject: null,
    promise: "no performance alarm after the first model",
  },
  {
    name: "shift",
    inject: `shift-12h@${disturbedFrom}`,
    promise: "an alarm within 48 h, daily AUC ≥ 0.70 again within 6 days, unattended",
  },
  {
    name: "permute",
    inject: `permute@${disturbedFrom}`,
    promise: "no model whose training rows are all permuted is promoted",
  },
];

/** What follows `millrace` in a scenario, without the data directory. */
export function commandOf({ inject }: Scenario): string[] {
  const { from, to } = scenarioRange;
  return ["run", "--from", from, "--to", to, ...(inject === null ? [] : ["--inject", inject])];
}
