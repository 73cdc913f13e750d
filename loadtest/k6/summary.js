import { setting } from "./settings.js";

/**
 * What `npm run loadtest` reads, and lines for people on standard output.
 *
 * @param required - names of metrics without which the run says nothing.
 */
export function summary(data, required) {
  return {
    [setting("SUMMARY", "/dev/null")]: JSON.stringify({ ...data, required }, null, 2),
    stdout: lines(data).join("\n"),
  };
}

function lines({ metrics }) {
  const failed = [];
  for (const [name, { thresholds = {} }] of Object.entries(metrics)) {
    for (const [rule, { ok }] of Object.entries(thresholds)) {
      if (!ok) failed.push(`FAILED: ${name} ${rule}`);
    }
  }
  const measured = Object.entries(metrics).map(([name, { values }]) => {
    const shown = Object.entries(values).map(([key, value]) => `${key} ${number(value)}`);
    return `${name.padEnd(24)} ${shown.join(", ")}`;
  });
  return ["", ...measured.sort(), ...failed, ""];
}

function number(value) {
  return String(Math.round(value * 100) / 100);
}
