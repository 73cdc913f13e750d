import { application, eventFeeder } from "millrace";
import { samplePayments } from "./sample-payments.ts";
import { shop } from "./topology.ts";

export default application({
  topologies: shop,
  // Sends the samples, so that a first run shows something. Producers on servers need no feeder.
  feeder: eventFeeder({
    events: samplePayments.map((value) => ({ topic: "payments", at: value.paidAt, value })),
  }),
});
