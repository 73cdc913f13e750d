/*
 * What piscina requires in each thread that explains. CommonJS, which imports the rest, as that of
 * the threads that score (`../score/scoring-thread.cts`).
 */
const worker = import("./explain-worker.ts");

type ExplainRows = Awaited<typeof worker>["explainRows"];

const explainRows: ExplainRows = async (task) => (await worker).explainRows(task);

module.exports = { explainRows };
