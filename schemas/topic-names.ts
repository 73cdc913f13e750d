/** Topic that says how far a source is. */
export function watermarksTopic(source: string): string {
  return `${source}.watermarks`;
}

/** Name of a subtopology as it stands in topic names: `origin_delays@1` → `origin_delays.v1`. */
export function topicText(subtopology: string): string {
  return subtopology.replace("@", ".v");
}
