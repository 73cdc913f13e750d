import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * What needs a process of its own: a hook of the whole file, the process itself, what it shares
 * with all of its modules, servers, children, threads.
 */
const ownProcess = [
  /import \{[^}]*\b(before|after|beforeEach|afterEach|mock)\b[^}]*\} from "node:test"/,
  /\b(process\.|globalThis|console\.|requirement\(|fetch\(|\.listen\()/,
  /node:(child_process|worker_threads|http|https|net|cluster|inspector|v8|vm)\b/,
  /millrace-fixture|open[A-Za-z]{0,16}Stack\b|"millrace\/run"|setLocalClock/,
];

/** Files of a room that one process runs at most: of all cores each shall have some. */
const mostOfGroup = 16;

/**
 * Puts test files that need no process of their own together, a room at a time: to load modules
 * costs more than most of them do. Keeps the others as they are, and the order.
 *
 * @param dist - folder that the files are relative to.
 * @param folder - of the files written here, each of which imports those of a group.
 * @returns one file for each process.
 */
export function testProcesses(dist, files, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const processes = [];
  const open = new Map();
  for (const file of files) {
    const room = file.split(/[\\/]/)[0];
    if (needsOwnProcess(readFileSync(join(dist, file), "utf8"))) {
      processes.push({ files: [file] });
      continue;
    }
    let group = open.get(room);
    if (group === undefined || group.files.length === mostOfGroup) {
      group = { files: [], name: `${room}-${processes.length + 1}` };
      open.set(room, group);
      processes.push(group);
    }
    group.files.push(file);
  }
  return processes.map((each) => {
    if (each.files.length === 1) return join(dist, each.files[0]);
    const entry = join(folder, `${each.name}.test.mjs`);
    writeFileSync(entry, entryText(each.files.map((file) => join(dist, file))));
    return entry;
  });
}

export function needsOwnProcess(text) {
  return ownProcess.some((pattern) => pattern.test(text));
}

/** One after the other; a file that cannot be loaded is a failed test of its name. */
function entryText(files) {
  const urls = files.map((file) => pathToFileURL(file).href);
  return `import { test } from "node:test";

for (const url of ${JSON.stringify(urls, null, 2)}) {
  await import(url).catch((error) => {
    test(\`\${url} is loaded\`, () => {
      throw error;
    });
  });
}
`;
}
