import { application, eventFeeder } from "millrace";
import { simulated } from "./simulated-payments.ts";
import { shop } from "./topology.ts";

export default application({
  topologies: shop,
  feeder: eventFeeder({ events: () => simulated(8, 1) }),
});
