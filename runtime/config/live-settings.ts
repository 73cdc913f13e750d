import { setting } from "./setting.ts";
import { duration, optionalDuration, toggle, word } from "./setting-types.ts";

/** Settings of live mode. */
export const liveSettings = Object.freeze({
  live: setting(toggle, {
    default: false,
    doc: "Take records as they come, by the wall clock, instead of replaying; data in .millrace/embedded-live and so on.",
    commands: ["run", "look", "stack"],
  }),
  for: setting(optionalDuration, {
    default: null,
    doc: "Live: how long to run; without it until Ctrl-C.",
    commands: ["run"],
    mode: "live",
  }),
  maxWait: setting(duration, {
    default: "5s",
    doc: "Live: longest wait for records that may lie before one; what is then missing makes a prediction incomplete; at most 1h.",
    commands: ["run"],
    mode: "live",
  }),
  maxAhead: setting(duration, {
    default: "5s",
    doc: "Live: how far beyond the clock an event time may lie, at most 1h.",
    commands: ["run"],
    mode: "live",
  }),
  ahead: setting(word(["wait", "refuse"]), {
    default: "wait",
    doc: "Live: what becomes of a record beyond --max-ahead: it waits for the clock, up to the lateness of its source, or is refused; further ones are refused.",
    commands: ["run"],
    mode: "live",
  }),
});
