/** What became of the records of a source partition in a branch: a view, scoring or label step. */
export interface BranchSummary {
  readonly source: string;
  readonly partition: number;
  readonly branch: string;
  readonly in: number;
  readonly processed: number;
  readonly late: number;
  readonly deadLettered: number;
  readonly filtered: number;
  /** By `where` of its stream. */
  readonly excluded: number;
  /** By `dedupedBy` of its stream. */
  readonly duplicates: number;
}

/** How many records were put aside. */
export interface Rejects {
  readonly lateRecords: number;
  readonly deadLetters: number;
  /** The dead letters by their code, most first. */
  readonly deadLettersByCode: Readonly<Record<string, number>>;
}

export interface TopologySummary {
  /** Sums over the branches: a record counts once in each branch of its source. */
  readonly in: number;
  readonly processed: number;
  readonly late: number;
  readonly deadLettered: number;
  readonly filtered: number;
  readonly excluded: number;
  readonly duplicates: number;
  /** Records in the topics of late records and dead letters: each once, whatever asked for it. */
  readonly rejects: Rejects;
  readonly branches: readonly BranchSummary[];
}

export interface ModelSummary {
  /** Its name, as in `scoredBy`. */
  readonly model: string;
  readonly version: string;
  readonly promoted: boolean;
  /** Rows it was fitted on. */
  readonly trainedOn: number;
  /** ISO 8601, UTC. */
  readonly effectiveFrom: string;
  readonly holdoutAuc: number | null;
  /** Records that it scored itself. */
  readonly scored: number;
  /** Those among them whose outcome is known: labelled, or taken for negative. */
  readonly labelled: number;
  /** AUC over those; null while all have one label. */
  readonly liveAuc: number | null;
  readonly sha256: string;
}

/** What is known of predictions that a label step asks the truth for. */
export interface GroundTruth {
  readonly labelled: number;
  /** Without a label in time, where the step takes such for negative: known, as labelled ones. */
  readonly takenForNegative: number;
  /** Without a label in time, where the step takes them for nothing. */
  readonly unknown: number;
  /** Their time is not over. */
  readonly pending: number;
}

/** The end of a run, over all its starts: on screen and with `--summary FILE`. */
export interface Summary {
  readonly stack: string;
  /** ISO 8601, UTC. */
  readonly range: { readonly from: string; readonly to: string };
  /** Null: other runs of the plan have tasks, whose records are not counted here. */
  readonly balanced: boolean | null;
  readonly topologies: Readonly<Record<string, TopologySummary>>;
  /** Feature rows committed, all views together. */
  readonly features: { readonly rows: number };
  readonly predictions: {
    readonly total: number;
    readonly fallback: number;
    /** Of several models, those of one version's name together. */
    readonly byVersion: Readonly<Record<string, number>>;
  };
  readonly outcomes: GroundTruth;
  readonly models: readonly ModelSummary[];
  /** Null where none is known, or where several steps have one. */
  readonly fallbackAuc: number | null;
  readonly throughput: { readonly eventsPerSecond: number };
  readonly memory: {
    /** Highest sum of the resident memory of the process tree. */
    readonly maxRssBytes: number;
    /** Highest resident memory of each worker; the only one of a run is "0". */
    readonly workerMaxRssBytes: Readonly<Record<string, number>>;
  };
}

/** A table of the offline store against its topic. */
export interface TableCount {
  readonly table: string;
  readonly rows: number;
  /** Committed records of its topic. */
  readonly records: number;
}

export interface BalanceInput {
  readonly branches: readonly BranchSummary[];
  /** Names of the branches whose processed records are predictions. */
  readonly scoringBranches: readonly string[];
  readonly predictions: number;
  /** Those of them that no label step asks the truth for. */
  readonly unasked: number;
  readonly outcomes: Summary["outcomes"];
  readonly tables: readonly TableCount[];
}

/**
 * What does not add up, for people; empty when balanced: in each branch in = processed + late +
 * dead-lettered + filtered + excluded + duplicates; predictions = processed records of the scoring
 * steps = labelled + taken for negative + unknown + pending + those without a label step; each
 * table has as many rows as its topic has committed records.
 */
export function imbalances(input: BalanceInput): string[] {
  const { branches, scoringBranches, predictions, unasked, outcomes, tables } = input;
  const problems: string[] = [];
  for (const { source, partition, branch, ...counts } of branches) {
    const { processed, late, deadLettered, filtered, excluded, duplicates } = counts;
    const sum = processed + late + deadLettered + filtered + excluded + duplicates;
    if (sum !== counts.in) {
      problems.push(
        `${branch} of ${source}/${partition}: in ${counts.in}, but processed ${processed} + late ${late}` +
          ` + dead-lettered ${deadLettered} + filtered ${filtered} + excluded ${excluded}` +
          ` + duplicates ${duplicates} = ${sum}`,
      );
    }
  }
  const processed = branches
    .filter(({ branch }) => scoringBranches.includes(branch))
    .reduce((sum, each) => sum + each.processed, 0);
  if (processed !== predictions) {
    problems.push(`${predictions} predictions of ${processed} processed records`);
  }
  const { labelled, takenForNegative, unknown, pending } = outcomes;
  const all = labelled + takenForNegative + unknown + pending;
  if (all !== predictions - unasked || pending < 0) {
    problems.push(
      `${predictions - unasked} predictions, but labelled ${labelled} + taken for negative` +
        ` ${takenForNegative} + unknown ${unknown} + pending ${pending} = ${all}`,
    );
  }
  for (const { table, rows, records } of tables) {
    if (rows !== records) problems.push(`${table}: ${rows} rows of ${records} committed records`);
  }
  return problems;
}

/** Sums of branches. */
export function topologySummary(
  branches: readonly BranchSummary[],
  rejects: Rejects,
): TopologySummary {
  const sum = (of: (branch: BranchSummary) => number) =>
    branches.reduce((total, branch) => total + of(branch), 0);
  return {
    in: sum((branch) => branch.in),
    processed: sum((branch) => branch.processed),
    late: sum((branch) => branch.late),
    deadLettered: sum((branch) => branch.deadLettered),
    filtered: sum((branch) => branch.filtered),
    excluded: sum((branch) => branch.excluded),
    duplicates: sum((branch) => branch.duplicates),
    rejects,
    branches,
  };
}
