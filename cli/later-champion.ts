import type { ModelEntry } from "../serving/model-desk.ts";

/**
 * Who takes the place of a champion that comes into force before one that is known already, and
 * from when on; null: nobody.
 *
 * @param entry - makes its version champion.
 * @param history - all changes of the model.
 */
export function laterChampion(entry: ModelEntry, history: readonly ModelEntry[]): string | null {
  const [next] = history
    .filter(({ champion, effectiveFrom }) => champion && effectiveFrom > entry.effectiveFrom)
    .sort((a, b) => a.effectiveFrom - b.effectiveFrom);
  if (next === undefined) return null;
  const when = new Date(next.effectiveFrom).toISOString();
  return (
    `Warning: for records known after ${when} it is ${next.version}, which comes into force later: ` +
    "--effective-from says another time."
  );
}
