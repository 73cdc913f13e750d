/*
 * What piscina requires in each thread of a scoring pool. A module that is required while its
 * thread is ended aborts the whole process (seen on Node 20: "v8::Module::IsGraphAsync must be used
 * on an instantiated module"); one that is imported does not. So this is CommonJS, and imports the
 * rest.
 */
const worker = import("./scoring-worker.ts");

type ScoreBatch = Awaited<typeof worker>["scoreBatch"];
type WarmUp = Awaited<typeof worker>["warmUp"];

const scoreBatch: ScoreBatch = async (task) => (await worker).scoreBatch(task);

const warmUp: WarmUp = async () => (await worker).warmUp();

module.exports = { scoreBatch, warmUp };
