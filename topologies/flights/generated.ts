// Written by `npm run generate` from topologies/flights/*.avsc. Change those instead.
// Why long: one file for all contracts, so that what is generated can be told from what is not.

import { type RecordSchema, recordSchema } from "../../schemas/record-schema.ts";

/** A flight landed: the ground truth of its prediction, hours after the departure. */
export interface Arrival {
  /** Number of the flight, the same as in its departure. The record key is its decimal text. */
  readonly flightId: number;
  /** Arrival, UTC. Event time. */
  readonly arrivedAt: number;
  /** Airport of departure, IATA code. */
  readonly origin: string;
  /** Airport of arrival, IATA code. */
  readonly destination: string;
  /** Minutes later than planned; negative when early. */
  readonly delayMinutes: number;
}

/** A flight left its origin. Sent at the departure; the delay on arrival is not known yet. */
export interface Departure {
  /** Number of the flight: its row in the data set. The record key is its decimal text. */
  readonly flightId: number;
  /** Actual departure, UTC. Event time. */
  readonly departedAt: number;
  /** Airport of departure, IATA code. */
  readonly origin: string;
  /** Airport of arrival, IATA code. */
  readonly destination: string;
  /** Distance between the airports in miles. */
  readonly distanceMiles: number;
  /** Hour of the departure on the clock of the origin, 0 to 23. */
  readonly localHour: number;
  /**
   * Day of the week of the departure on the calendar of the origin, ISO 8601: 1 Monday to 7 Sunday.
   */
  readonly localWeekday: number;
}

/** Avro schema of {@link Arrival}. */
export const arrival: RecordSchema<Arrival> = recordSchema<Arrival>({
  type: "record",
  name: "Arrival",
  namespace: "flights",
  doc: "A flight landed: the ground truth of its prediction, hours after the departure.",
  fields: [
    {
      name: "flightId",
      type: "long",
      doc: "Number of the flight, the same as in its departure. The record key is its decimal text."
    },
    {
      name: "arrivedAt",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Arrival, UTC. Event time."
    },
    {
      name: "origin",
      type: "string",
      doc: "Airport of departure, IATA code."
    },
    {
      name: "destination",
      type: "string",
      doc: "Airport of arrival, IATA code."
    },
    {
      name: "delayMinutes",
      type: "int",
      doc: "Minutes later than planned; negative when early."
    }
  ]
});

/** Avro schema of {@link Departure}. */
export const departure: RecordSchema<Departure> = recordSchema<Departure>({
  type: "record",
  name: "Departure",
  namespace: "flights",
  doc: "A flight left its origin. Sent at the departure; the delay on arrival is not known yet.",
  fields: [
    {
      name: "flightId",
      type: "long",
      doc: "Number of the flight: its row in the data set. The record key is its decimal text."
    },
    {
      name: "departedAt",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Actual departure, UTC. Event time."
    },
    {
      name: "origin",
      type: "string",
      doc: "Airport of departure, IATA code."
    },
    {
      name: "destination",
      type: "string",
      doc: "Airport of arrival, IATA code."
    },
    {
      name: "distanceMiles",
      type: "int",
      doc: "Distance between the airports in miles."
    },
    {
      name: "localHour",
      type: "int",
      doc: "Hour of the departure on the clock of the origin, 0 to 23."
    },
    {
      name: "localWeekday",
      type: "int",
      doc: "Day of the week of the departure on the calendar of the origin, ISO 8601: 1 Monday to 7 Sunday."
    }
  ]
});
