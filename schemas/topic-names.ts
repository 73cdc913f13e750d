/** Topic that tells a topology how far a source of it is; the source may be another's. */
export function watermarksTopic(topology: string, source: string): string {
  return `${topology}.${source}.watermarks`;
}

/** Name of a subtopology as it stands in topic names: `origin_delays@1` → `origin_delays.v1`. */
export function topicText(subtopology: string): string {
  return subtopology.replace("@", ".v");
}

/** Topic with the predictions of a step that a gateway has served. */
export function servedTopic(topology: string, step: string): string {
  return `${topology}.${topicText(step)}.served`;
}

/** Topic with what shadows have scored beside the predictions of a step that a gateway served. */
export function shadowsTopic(topology: string, step: string): string {
  return `${topology}.${topicText(step)}.shadows`;
}
