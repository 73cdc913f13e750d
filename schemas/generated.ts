// Written by `npm run generate` from schemas/*.avsc. Change those instead.
// Why long: one file for all contracts, so that what is generated can be told from what is not.

import { type RecordSchema, recordSchema } from "./record-schema.ts";

/** One header of a Kafka record. */
export interface RecordHeader {
  /** Name of the header. */
  readonly key: string;
  /** Value of the header. */
  readonly value: Buffer | null;
}

/** A record that a step could not take, with its original bytes, so that it can be replayed. */
export interface DeadLetter {
  /** Topic that it stood in. */
  readonly topic: string;
  /** Partition. */
  readonly partition: number;
  /** Offset in the partition. */
  readonly offset: number;
  /** Timestamp of the Kafka record, UTC ms; may be any number. */
  readonly timestamp: number;
  /** Original key. */
  readonly key: Buffer | null;
  /** Original value; null when the record had none. */
  readonly value: Buffer | null;
  /** Original headers, in order. */
  readonly headers: readonly RecordHeader[];
  /** Schema id in the value's first bytes; null where there is none. */
  readonly schemaId: number | null;
  /** Step that refused it. */
  readonly step: string;
  /** Error code, see the table of errors. */
  readonly code: string;
  /** What was wrong, for people. */
  readonly reason: string;
}

/**
 * What a task decided by the clock, with its position in the input: a replay reads it instead of
 * deciding again.
 */
export interface Decision {
  /** Subtopology of the task that decided. */
  readonly subtopology: string;
  /** Partition of the task that decided. */
  readonly partition: number;
  /**
   * idle, ahead, unknown-schema, partitions, wait, place, joined, deadline, failed, training or
   * champion.
   */
  readonly kind: string;
  /**
   * Of a wait, a place or a channel that joined: the input of the channel. Of a deadline or a
   * failure: the version that was asked.
   */
  readonly input: string | null;
  /**
   * Of a wait, a place or a channel that joined: the upstream task of the channel. Of a deadline or
   * a failure: the source partition. Of partitions that were added: how many there are since.
   */
  readonly writer: number | null;
  /**
   * Source offset (idle, ahead, unknown-schema, partitions, deadline, failed), sequence number of
   * the channel (wait, place, joined) or number of the request (training) or of the change
   * (champion).
   */
  readonly position: number;
  /** Of a wait: progress of the channel; null when there was none. */
  readonly from: number | null;
  /**
   * Event time that the decision took for granted (idle, wait, place, joined), or after which it
   * holds (champion), UTC.
   */
  readonly until: number | null;
  /**
   * Of a wait: how long at most a record had been in the task when it ended a wait, since its last
   * commit; nothing is decided by it.
   */
  readonly waitedMs: number | null;
  /**
   * Of a training: its answer as JSON. Of a champion: which version it is, or who answers besides,
   * as JSON.
   */
  readonly answer: Buffer | null;
}

/** What was watched: the features served, or the performance against ground truth. */
export type DriftKind = "features" | "performance";

/** One closed window of a drift detector, alarm or not. */
export interface Drift {
  /** Name of the watch step. */
  readonly watch: string;
  /** Detector. */
  readonly kind: DriftKind;
  /** Start of the window, UTC, included. */
  readonly windowStart: number;
  /** End of the window, UTC, excluded. */
  readonly windowEnd: number;
  /** When it was judged, UTC: its end had passed, and labels were there where it needs them. */
  readonly knownAt: number;
  /** Predictions of the version in the window, labelled where labels are needed. */
  readonly rows: number;
  /** Name of the feature; null for performance. */
  readonly feature: string | null;
  /**
   * PSI of a feature, AUC of a performance window; NaN where too few rows, or less than a quarter
   * of the window, allow none.
   */
  readonly statistic: number;
  /** Limit that the statistic was held against. */
  readonly threshold: number;
  /** Whether the limit was passed. */
  readonly alarm: boolean;
  /**
   * Model version that made the predictions; of features the one whose training rows they were held
   * against. A window in which the model changed has a record for each. null when no version made
   * any.
   */
  readonly version: string | null;
}

/**
 * A record of a source that came later than the declared lateness admits, with its original bytes.
 */
export interface LateRecord {
  /** Source topic. */
  readonly topic: string;
  /** Source partition. */
  readonly partition: number;
  /** Offset in the source partition. */
  readonly offset: number;
  /** Timestamp of the Kafka record, UTC ms; may be any number. */
  readonly timestamp: number;
  /** Original key. */
  readonly key: Buffer | null;
  /** Original value. */
  readonly value: Buffer;
  /** Event time in the payload, UTC. */
  readonly eventTime: number;
  /** Stream time of the source partition when the record was read, UTC. */
  readonly streamTime: number;
  /** How far the event time lay behind the stream time, in milliseconds. */
  readonly latenessMs: number;
}

/** What a training ended with. A refused or failed one is an answer too. */
export interface Model {
  /** Topology whose training it was. */
  readonly topology: string;
  /** Name of the model that it is a version of, as in `scoredBy`. */
  readonly model: string;
  /** Retrain request that it answers. */
  readonly requestId: string;
  /** Model version, `v<number>`, derived from the request. */
  readonly version: string;
  /** Whether it becomes champion at `effectiveFrom`. */
  readonly promoted: boolean;
  /** Why it was promoted or not, for people. */
  readonly reason: string;
  /** A promoted model is in force for records known after it. */
  readonly effectiveFrom: number;
  /** Outcomes known before it were the training data. */
  readonly cutoff: number;
  /** Rows it was fitted on. */
  readonly trainedOn: number;
  /** Later rows it was judged on. */
  readonly heldOut: number;
  /** AUC on the held-out rows; null where there is no model or no holdout. */
  readonly holdoutAuc: number | null;
  /** Champion that it was compared with; null when there was none. */
  readonly championVersion: string | null;
  /** AUC of that champion on the same held-out rows. */
  readonly championAuc: number | null;
  /**
   * One-sided lower bound of the gain in AUC over the champion, at the level that the reason names;
   * null without a comparison.
   */
  readonly gainLowerBound: number | null;
  /** sha256 of the ONNX artifact, hexadecimal; empty when training failed. */
  readonly sha256: string;
  /** Histograms of the training rows, the reference of drift detection, as JSON text. */
  readonly reference: string;
}

/** A watch asks for a new model. */
export interface RetrainRequest {
  /** Identity of the request, `<watch>-<number>`; the model version derives from it. */
  readonly id: string;
  /** Counts the requests of the watch from 1. */
  readonly number: number;
  /** Names of the triggers that asked, e.g. `every` or `drifted(performance)`. */
  readonly reasons: readonly string[];
  /** Outcomes known before it are the training data; also the time of the request. */
  readonly cutoff: number;
}

/**
 * Source watermark: every record with an event time before `before` stands below the end offsets.
 */
export interface Watermark {
  /** Event time, UTC, excluded, up to which the source is complete. */
  readonly before: number;
  /** For each source partition, in order, the offset after its last record of that time. */
  readonly endOffsets: readonly number[];
}

/** Avro schema of {@link DeadLetter}. */
export const deadLetter: RecordSchema<DeadLetter> = recordSchema<DeadLetter>({
  type: "record",
  name: "DeadLetter",
  namespace: "millrace",
  doc: "A record that a step could not take, with its original bytes, so that it can be replayed.",
  fields: [
    {
      name: "topic",
      type: "string",
      doc: "Topic that it stood in."
    },
    {
      name: "partition",
      type: "int",
      doc: "Partition."
    },
    {
      name: "offset",
      type: "long",
      doc: "Offset in the partition."
    },
    {
      name: "timestamp",
      type: "long",
      doc: "Timestamp of the Kafka record, UTC ms; may be any number."
    },
    {
      name: "key",
      type: [
        "null",
        "bytes"
      ],
      doc: "Original key.",
      default: null
    },
    {
      name: "value",
      type: [
        "null",
        "bytes"
      ],
      doc: "Original value; null when the record had none.",
      default: null
    },
    {
      name: "headers",
      type: {
        type: "array",
        items: {
          type: "record",
          name: "RecordHeader",
          doc: "One header of a Kafka record.",
          fields: [
            {
              name: "key",
              type: "string",
              doc: "Name of the header."
            },
            {
              name: "value",
              type: [
                "null",
                "bytes"
              ],
              doc: "Value of the header.",
              default: null
            }
          ]
        }
      },
      doc: "Original headers, in order."
    },
    {
      name: "schemaId",
      type: [
        "null",
        "int"
      ],
      doc: "Schema id in the value's first bytes; null where there is none.",
      default: null
    },
    {
      name: "step",
      type: "string",
      doc: "Step that refused it."
    },
    {
      name: "code",
      type: "string",
      doc: "Error code, see the table of errors."
    },
    {
      name: "reason",
      type: "string",
      doc: "What was wrong, for people."
    }
  ]
});

/** Avro schema of {@link Decision}. */
export const decision: RecordSchema<Decision> = recordSchema<Decision>({
  type: "record",
  name: "Decision",
  namespace: "millrace",
  doc: "What a task decided by the clock, with its position in the input: a replay reads it instead of deciding again.",
  fields: [
    {
      name: "subtopology",
      type: "string",
      doc: "Subtopology of the task that decided."
    },
    {
      name: "partition",
      type: "int",
      doc: "Partition of the task that decided."
    },
    {
      name: "kind",
      type: "string",
      doc: "idle, ahead, unknown-schema, partitions, wait, place, joined, deadline, failed, training or champion."
    },
    {
      name: "input",
      type: [
        "null",
        "string"
      ],
      doc: "Of a wait, a place or a channel that joined: the input of the channel. Of a deadline or a failure: the version that was asked.",
      default: null
    },
    {
      name: "writer",
      type: [
        "null",
        "int"
      ],
      doc: "Of a wait, a place or a channel that joined: the upstream task of the channel. Of a deadline or a failure: the source partition. Of partitions that were added: how many there are since.",
      default: null
    },
    {
      name: "position",
      type: "long",
      doc: "Source offset (idle, ahead, unknown-schema, partitions, deadline, failed), sequence number of the channel (wait, place, joined) or number of the request (training) or of the change (champion)."
    },
    {
      name: "from",
      type: [
        "null",
        {
          type: "long",
          logicalType: "timestamp-millis"
        }
      ],
      doc: "Of a wait: progress of the channel; null when there was none.",
      default: null
    },
    {
      name: "until",
      type: [
        "null",
        {
          type: "long",
          logicalType: "timestamp-millis"
        }
      ],
      doc: "Event time that the decision took for granted (idle, wait, place, joined), or after which it holds (champion), UTC.",
      default: null
    },
    {
      name: "waitedMs",
      type: [
        "null",
        "long"
      ],
      doc: "Of a wait: how long at most a record had been in the task when it ended a wait, since its last commit; nothing is decided by it.",
      default: null
    },
    {
      name: "answer",
      type: [
        "null",
        "bytes"
      ],
      doc: "Of a training: its answer as JSON. Of a champion: which version it is, or who answers besides, as JSON.",
      default: null
    }
  ]
});

/** Avro schema of {@link Drift}. */
export const drift: RecordSchema<Drift> = recordSchema<Drift>({
  type: "record",
  name: "Drift",
  namespace: "millrace",
  doc: "One closed window of a drift detector, alarm or not.",
  fields: [
    {
      name: "watch",
      type: "string",
      doc: "Name of the watch step."
    },
    {
      name: "kind",
      type: {
        type: "enum",
        name: "DriftKind",
        doc: "What was watched: the features served, or the performance against ground truth.",
        symbols: [
          "features",
          "performance"
        ]
      },
      doc: "Detector."
    },
    {
      name: "windowStart",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Start of the window, UTC, included."
    },
    {
      name: "windowEnd",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "End of the window, UTC, excluded."
    },
    {
      name: "knownAt",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "When it was judged, UTC: its end had passed, and labels were there where it needs them."
    },
    {
      name: "rows",
      type: "long",
      doc: "Predictions of the version in the window, labelled where labels are needed."
    },
    {
      name: "feature",
      type: [
        "null",
        "string"
      ],
      doc: "Name of the feature; null for performance.",
      default: null
    },
    {
      name: "statistic",
      type: "double",
      doc: "PSI of a feature, AUC of a performance window; NaN where too few rows, or less than a quarter of the window, allow none."
    },
    {
      name: "threshold",
      type: "double",
      doc: "Limit that the statistic was held against."
    },
    {
      name: "alarm",
      type: "boolean",
      doc: "Whether the limit was passed."
    },
    {
      name: "version",
      type: [
        "null",
        "string"
      ],
      doc: "Model version that made the predictions; of features the one whose training rows they were held against. A window in which the model changed has a record for each. null when no version made any.",
      default: null
    }
  ]
});

/** Avro schema of {@link LateRecord}. */
export const lateRecord: RecordSchema<LateRecord> = recordSchema<LateRecord>({
  type: "record",
  name: "LateRecord",
  namespace: "millrace",
  doc: "A record of a source that came later than the declared lateness admits, with its original bytes.",
  fields: [
    {
      name: "topic",
      type: "string",
      doc: "Source topic."
    },
    {
      name: "partition",
      type: "int",
      doc: "Source partition."
    },
    {
      name: "offset",
      type: "long",
      doc: "Offset in the source partition."
    },
    {
      name: "timestamp",
      type: "long",
      doc: "Timestamp of the Kafka record, UTC ms; may be any number."
    },
    {
      name: "key",
      type: [
        "null",
        "bytes"
      ],
      doc: "Original key.",
      default: null
    },
    {
      name: "value",
      type: "bytes",
      doc: "Original value."
    },
    {
      name: "eventTime",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Event time in the payload, UTC."
    },
    {
      name: "streamTime",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Stream time of the source partition when the record was read, UTC."
    },
    {
      name: "latenessMs",
      type: "long",
      doc: "How far the event time lay behind the stream time, in milliseconds."
    }
  ]
});

/** Avro schema of {@link Model}. */
export const model: RecordSchema<Model> = recordSchema<Model>({
  type: "record",
  name: "Model",
  namespace: "millrace",
  doc: "What a training ended with. A refused or failed one is an answer too.",
  fields: [
    {
      name: "topology",
      type: "string",
      doc: "Topology whose training it was.",
      default: ""
    },
    {
      name: "model",
      type: "string",
      doc: "Name of the model that it is a version of, as in `scoredBy`.",
      default: ""
    },
    {
      name: "requestId",
      type: "string",
      doc: "Retrain request that it answers."
    },
    {
      name: "version",
      type: "string",
      doc: "Model version, `v<number>`, derived from the request."
    },
    {
      name: "promoted",
      type: "boolean",
      doc: "Whether it becomes champion at `effectiveFrom`."
    },
    {
      name: "reason",
      type: "string",
      doc: "Why it was promoted or not, for people."
    },
    {
      name: "effectiveFrom",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "A promoted model is in force for records known after it."
    },
    {
      name: "cutoff",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Outcomes known before it were the training data."
    },
    {
      name: "trainedOn",
      type: "long",
      doc: "Rows it was fitted on."
    },
    {
      name: "heldOut",
      type: "long",
      doc: "Later rows it was judged on."
    },
    {
      name: "holdoutAuc",
      type: [
        "null",
        "double"
      ],
      doc: "AUC on the held-out rows; null where there is no model or no holdout.",
      default: null
    },
    {
      name: "championVersion",
      type: [
        "null",
        "string"
      ],
      doc: "Champion that it was compared with; null when there was none.",
      default: null
    },
    {
      name: "championAuc",
      type: [
        "null",
        "double"
      ],
      doc: "AUC of that champion on the same held-out rows.",
      default: null
    },
    {
      name: "gainLowerBound",
      type: [
        "null",
        "double"
      ],
      doc: "One-sided lower bound of the gain in AUC over the champion, at the level that the reason names; null without a comparison.",
      default: null
    },
    {
      name: "sha256",
      type: "string",
      doc: "sha256 of the ONNX artifact, hexadecimal; empty when training failed."
    },
    {
      name: "reference",
      type: "string",
      doc: "Histograms of the training rows, the reference of drift detection, as JSON text."
    }
  ]
});

/** Avro schema of {@link RetrainRequest}. */
export const retrainRequest: RecordSchema<RetrainRequest> = recordSchema<RetrainRequest>({
  type: "record",
  name: "RetrainRequest",
  namespace: "millrace",
  doc: "A watch asks for a new model.",
  fields: [
    {
      name: "id",
      type: "string",
      doc: "Identity of the request, `<watch>-<number>`; the model version derives from it."
    },
    {
      name: "number",
      type: "int",
      doc: "Counts the requests of the watch from 1."
    },
    {
      name: "reasons",
      type: {
        type: "array",
        items: "string"
      },
      doc: "Names of the triggers that asked, e.g. `every` or `drifted(performance)`."
    },
    {
      name: "cutoff",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Outcomes known before it are the training data; also the time of the request."
    }
  ]
});

/** Avro schema of {@link Watermark}. */
export const watermark: RecordSchema<Watermark> = recordSchema<Watermark>({
  type: "record",
  name: "Watermark",
  namespace: "millrace",
  doc: "Source watermark: every record with an event time before `before` stands below the end offsets.",
  fields: [
    {
      name: "before",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Event time, UTC, excluded, up to which the source is complete."
    },
    {
      name: "endOffsets",
      type: {
        type: "array",
        items: "long"
      },
      doc: "For each source partition, in order, the offset after its last record of that time."
    }
  ]
});
