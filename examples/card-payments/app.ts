import { avro } from "millrace";
import { dispute, payment } from "./schemas/generated.ts";
import { simulatedApplication } from "./simulated-application.ts";
import { cardPayments } from "./topology.ts";

export default simulatedApplication(
  cardPayments({ payment: avro(payment), dispute: avro(dispute) }),
);
