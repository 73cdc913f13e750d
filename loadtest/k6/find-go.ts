import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MillraceError } from "../../schemas/errors.ts";
import { serverEnvironment, stackEnvironment } from "../../stacks/local/stack-environment.ts";

const run = promisify(execFile);

/** The Go that the module of the extension asks for (`go` in its go.mod). */
export const goVersion = "1.26.0";
/** First Go that fetches a newer one by itself when a module asks for it. */
const firstSelfFetching = 21;

/** Where installations put Go without a link on the PATH. */
const usualFolders = ["/usr/local/go/bin", "/usr/lib/go/bin", "/opt/homebrew/bin"];

/**
 * The program `go` that can build the extension: the first one of the PATH and the usual folders.
 * From Go 1.21 on it fetches what a module asks for by itself; an older one fetches the newer
 * toolchain as a module here, checked by Go's checksum database in both cases.
 *
 * @throws {MillraceError} K6_MISSING_GO when there is none; K6_BUILD_FAILED when the newer one
 * cannot be fetched.
 */
export async function findGo(folders = [...stackEnvironment().path, ...usualFolders]) {
  for (const folder of folders) {
    const program = join(folder, "go");
    const minor = await minorVersion(program);
    if (minor === null) continue;
    return minor >= firstSelfFetching ? program : await fetchToolchain(program);
  }
  throw new MillraceError("K6_MISSING_GO", { version: goVersion });
}

/** Environment of every call of Go: no C compiler, nothing that a user's own settings change. */
export function goEnvironment(): Record<string, string | undefined> {
  // The compiler takes a fifth of the CPU less when it seldom collects; 400 MB, but for moments.
  const memory = { GOGC: "400" };
  const own = { GOTOOLCHAIN: "auto", CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off", ...memory };
  return { ...serverEnvironment(), ...own };
}

/** 26 of go1.26.8; null: there is none. */
async function minorVersion(program: string): Promise<number | null> {
  const env = { ...goEnvironment(), GOTOOLCHAIN: "local" };
  const { stdout } = await run(program, ["version"], { env }).catch(() => ({ stdout: "" }));
  const [, minor] = /\bgo1\.(\d+)/.exec(stdout) ?? [];
  return minor === undefined ? null : Number(minor);
}

/** A toolchain is a module, whose files are not executable when they are fetched by hand. */
async function fetchToolchain(go: string): Promise<string> {
  const arch = { x64: "amd64", arm64: "arm64" }[process.arch as string] ?? process.arch;
  const module = `golang.org/toolchain@v0.0.1-go${goVersion}.${process.platform}-${arch}`;
  const outside = await mkdtemp(join(tmpdir(), "millrace-go-"));
  try {
    const options = { cwd: outside, env: goEnvironment() };
    const { stdout } = await run(go, ["mod", "download", "-json", module], options);
    const { Dir: folder } = JSON.parse(stdout) as { Dir: string };
    const tools = join(folder, "pkg", "tool", `${process.platform}_${arch}`);
    for (const each of [join(folder, "bin"), tools]) {
      for (const name of await readdir(each)) await chmod(join(each, name), 0o755);
    }
    return join(folder, "bin", "go");
  } catch (error) {
    throw buildFailed(error);
  } finally {
    await rm(outside, { recursive: true, force: true });
  }
}

/** What Go said, in its own words. */
export function buildFailed(error: unknown): MillraceError {
  const { stderr = "", message } = error as Error & { stderr?: string };
  const reason = stderr.trim() === "" ? message : stderr.trim().slice(-2_000);
  return new MillraceError("K6_BUILD_FAILED", { reason }, { cause: error });
}
