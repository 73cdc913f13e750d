// Rules of the flights application that the compiler enforces. Never run.
import type { FeatureOf } from "../dsl/scoring.ts";
import type { predictions } from "./flights.ts";

declare function isFeature(feature: FeatureOf<typeof predictions>): void;

isFeature("inbound_delay_mean_1h");
isFeature("route_delay_p90_24h");
isFeature("weekday");
// @ts-expect-error traffic has no window of a day
isFeature("traffic_departures_24h");
// @ts-expect-error names of features are snake case
isFeature("inbound_delayMean_1h");
