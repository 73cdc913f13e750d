/**
 * A setting of a script: `k6 run -e NAME=value`. Without a fallback it has to be given.
 *
 * @param {string} name
 * @param {string} [fallback]
 */
export function setting(name, fallback) {
  const value = __ENV[name] ?? fallback;
  if (value === undefined) throw new Error(`k6 run -e ${name}=… is missing`);
  return value;
}

const units = { ms: 0.001, s: 1, m: 60, h: 3_600 };

/** Seconds of a duration: a whole number and a unit, as everywhere in Millrace. */
export function seconds(text) {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`"${text}" is no duration: write e.g. 30s`);
  return Number(number) * units[unit];
}
