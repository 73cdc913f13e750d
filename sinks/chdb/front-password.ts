import { randomBytes, timingSafeEqual } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { MillraceError } from "../../schemas/errors.ts";

/** The one user of the HTTP front: what clients of ClickHouse take when none is named. */
export const frontUser = "default";

/**
 * The password of the HTTP front: made once, in a file that its owner alone reads. Whoever may read
 * the file may ask the engine; no other user of the machine.
 *
 * @throws {MillraceError} PASSWORD_FILE_UNSAFE for a link, or a file that others can read or own.
 */
export async function frontPassword(file: string): Promise<string> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_RDONLY, O_NOFOLLOW } = constants;
  const password = randomBytes(18).toString("base64url");
  const made = await open(file, O_WRONLY | O_CREAT | O_EXCL, 0o600).catch(unless(file, "EEXIST"));
  if (made !== null) {
    await made.writeFile(`${password}\n`).finally(() => made.close());
    return password;
  }
  const found = await open(file, O_RDONLY | O_NOFOLLOW).catch(unless(file));
  if (found === null) throw new MillraceError("PASSWORD_FILE_UNSAFE", { file });
  try {
    const { mode, uid } = await found.stat();
    const isOurs = uid === (process.getuid?.() ?? uid);
    if (!isOurs || (mode & 0o077) !== 0) throw new MillraceError("PASSWORD_FILE_UNSAFE", { file });
    const text = (await found.readFile("utf8")).trim();
    // What a process left that was killed while it wrote.
    if (text.length < 16) throw new MillraceError("PASSWORD_FILE_UNSAFE", { file });
    return text;
  } finally {
    await found.close();
  }
}

/** Null for a file of that code, or a link; anything else is told. */
function unless(file: string, code = "ELOOP") {
  return (error: NodeJS.ErrnoException): null => {
    if (error.code === code) return null;
    throw new MillraceError("PASSWORD_FILE_UNSAFE", { file }, { cause: error });
  };
}

/** Whether a request shows user and password, in any of the ways of ClickHouse's clients. */
export function isAllowed(url: URL, headers: IncomingHttpHeaders, password: string): boolean {
  const [user, given] = credentials(url, headers);
  const [mine, theirs] = [Buffer.from(password), Buffer.from(given)];
  return user === frontUser && mine.length === theirs.length && timingSafeEqual(mine, theirs);
}

function credentials(url: URL, headers: IncomingHttpHeaders): readonly [string, string] {
  const [scheme = "", encoded = ""] = (headers.authorization ?? "").split(" ");
  if (scheme.toLowerCase() === "basic") {
    const text = Buffer.from(encoded, "base64").toString("utf8");
    const at = text.indexOf(":");
    return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  }
  const { "x-clickhouse-user": user, "x-clickhouse-key": key } = headers;
  return [
    String(user ?? url.searchParams.get("user") ?? frontUser),
    String(key ?? url.searchParams.get("password") ?? ""),
  ];
}
