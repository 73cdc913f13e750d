import { setting } from "./settings.js";

/**
 * What `npm run loadtest` reads, and lines for people on standard output.
 *
 * @param required - names of metrics without which the run says nothing.
 */
export function summary(data, required) {
  const sorted = ordered(data);
  return {
    [setting("SUMMARY", "/dev/null")]: JSON.stringify({ ...sorted, required }, null, 2),
    stdout: lines(sorted).join("\n"),
  };
}

/** The same, names in their order: k6 gives them in any. */
function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  const parts = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(parts.map(([name, part]) => [name, ordered(part)]));
}

/** Figures in this order; those that are none of them behind, by their names. */
const figures = ["min", "avg", "med", "p(50)", "p(90)", "p(95)", "p(99)", "max"];

/** Where a figure stands among those; behind them: one that is none. */
function placeOf(figure) {
  return figures.indexOf(figure) + 1 || figures.length + 1;
}

function lines({ metrics }) {
  const failed = [];
  for (const [name, { thresholds = {} }] of Object.entries(metrics)) {
    for (const [rule, { ok }] of Object.entries(thresholds)) {
      if (!ok) failed.push(`FAILED: ${name} ${rule}`);
    }
  }
  const measured = Object.entries(metrics).map(([name, { values }]) => {
    const shown = Object.entries(values)
      .sort(([a], [b]) => placeOf(a) - placeOf(b) || (a < b ? -1 : 1))
      .map(([key, value]) => `${key} ${number(value)}`);
    return `${name.padEnd(24)} ${shown.join(", ")}`;
  });
  return ["", ...measured.sort(), ...failed, ""];
}

function number(value) {
  return String(Math.round(value * 100) / 100);
}
