import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { instanceOf, memberOf, workersIn } from "./member.ts";

const folders: string[] = [];
async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "millrace-member-"));
  folders.push(made);
  return made;
}
after(() => Promise.all(folders.map((each) => rm(each, { recursive: true, force: true }))));

test("a data directory has one name for good, and no other directory has it", async () => {
  const [one, two] = [await folder(), await folder()];
  const name = await memberOf(one);
  assert.match(name, /^[0-9a-f]{16}$/);
  assert.equal(await memberOf(one), name);
  assert.notEqual(await memberOf(two), name);
  assert.equal((await stat(join(one, "member"))).mode & 0o777, 0o600);
  await cp(join(one, "member"), join(two, "member"));
  assert.equal(await memberOf(two), name, "a copy is the same member");
});

test("a name that was given beforehand is kept, and what is none is refused", async () => {
  const directory = await folder();
  const path = join(directory, "member");
  await writeFile(path, "pod-3.eu\n");
  assert.equal(await memberOf(directory), "pod-3.eu");
  for (const wrong of ["", "two words", "a/b", "x".repeat(65)]) {
    await writeFile(path, wrong);
    await assert.rejects(memberOf(directory), { code: "DATA_MEMBER" });
    assert.equal(await readFile(path, "utf8"), wrong);
  }
});

test("the workers of a member are told from those of others, whatever their names", () => {
  const ids = ["a-0", "a-12", "a-0-1", "a-b-0", "b-3"];
  assert.deepEqual(workersIn(ids, "a"), ["0", "12"]);
  assert.deepEqual(workersIn(ids, "a-0"), ["1"]);
  assert.deepEqual(workersIn([instanceOf("x", "7")], "x"), ["7"]);
  assert.deepEqual(workersIn(ids, "c"), []);
});
