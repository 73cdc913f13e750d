import type { ErrorPolicy } from "./errors.ts";

const policies: Readonly<Record<ErrorPolicy, string>> = {
  retry: "what failed is waited for and tried again",
  rejoin: "what was owned is given up, and the group joined again",
  restore: "whether the last commit stands is unknown: tasks are restored from what is committed",
  "dead-letter":
    "the record goes to the dead-letter topic with its original bytes; the code stands there, and " +
    "is never thrown",
  stop: "the run or command ends; nothing is lost, the next start goes on from the last commit",
};

/** The text of docs/errors.md: every code of the table, so that the page cannot fall behind. */
export function errorPage(
  table: Readonly<Record<string, { readonly policy: ErrorPolicy; readonly message: string }>>,
): string {
  const sections = Object.entries(table)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { policy, message }]) => {
      return `## ${code}\n\nPolicy: ${policy}.\n\n> ${message.split("\n").join("\n> ")}\n`;
    });
  return [
    "# Errors",
    "",
    "Written by `npm run generate` from `schemas/errors.ts`. Match on the code, never on the",
    "message; words in braces are facts about the one failure. What a policy means:",
    "",
    ...Object.entries(policies).map(([policy, meaning]) => `- **${policy}**: ${meaning}.`),
    "",
    sections.join("\n"),
  ].join("\n");
}
