import type { LoadReport } from "./load-generator.ts";

/** What the load generator sent, for people. */
export function loadLine({
  departures,
  arrivals,
  behindMsMax,
  behindOneSecond,
}: LoadReport): string {
  return (
    `load           ${number(departures)} departures, ${number(arrivals)} arrivals sent, ` +
    `at most ${number(behindMsMax)} ms behind its schedule` +
    (behindOneSecond === 0 ? "" : `, ${number(behindOneSecond)} more than a second`)
  );
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
