import { application } from "millrace";
import { orders } from "./topology.ts";

export default application({ topologies: orders });
