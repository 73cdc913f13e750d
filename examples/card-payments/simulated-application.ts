import { application, eventFeeder, type Plan, setting, settingTypes } from "millrace";
import { simulated, start } from "./simulator.ts";

const { integer } = settingTypes;

/** A topology of card payments, and the simulator that sends them. */
export function simulatedApplication(topologies: Plan) {
  return application({
    topologies,
    settings: {
      customers: setting(integer(1, 100_000), {
        default: 1_000,
        doc: "Customers that are simulated, each with a card and two terminals.",
        commands: ["run", "replay"],
        mode: "replay",
      }),
      days: setting(integer(1, 3_650), {
        default: 60,
        doc: "Days that are simulated; with more of them a run goes on where it ended.",
        commands: ["run", "replay"],
        mode: "replay",
      }),
      seed: setting(integer(0, 2 ** 31 - 1), {
        default: 1,
        doc: "Seed of the simulation.",
        commands: ["run", "replay"],
        mode: "replay",
      }),
    },
    title: (_, { customers, days }) => `${customers} customers for ${days} days`,
    feeder: eventFeeder({
      events: simulated,
      range: ({ days }) => ({ from: start, to: start + days * 86_400_000 }),
      identity: ({ customers, seed }) => [`${customers} customers`, `seed ${seed}`],
    }),
  });
}
