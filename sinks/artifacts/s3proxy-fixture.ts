import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { findJava } from "../../stacks/local/java.ts";
import { mavenLibraries } from "../../stacks/local/maven.ts";
import { type ServerProcess, startServer } from "../../stacks/local/server-process.ts";
import { s3proxyPins } from "./s3proxy-pins-fixture.ts";

const version = "2.6.0";

/** An S3 interface over files of this machine: S3Proxy, fetched from Maven Central. */
export interface S3Proxy extends ServerProcess {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Starts it with one bucket, `models`. */
export async function startS3Proxy(directory: string): Promise<S3Proxy> {
  const artifact = { group: "org.gaul", name: "s3proxy", version };
  const libraries = await mavenLibraries(`s3proxy-${version}`, [artifact], s3proxyPins);
  const [port = 0] = await freePorts(1);
  const [accessKeyId, secretAccessKey] = ["millrace", "correct-horse"];
  await mkdir(join(directory, "objects", "models"), { recursive: true });
  const properties = join(directory, "s3proxy.properties");
  const settings = {
    "s3proxy.endpoint": `http://127.0.0.1:${port}`,
    "s3proxy.authorization": "aws-v2-or-v4",
    "s3proxy.identity": accessKeyId,
    "s3proxy.credential": secretAccessKey,
    "jclouds.provider": "filesystem",
    "jclouds.filesystem.basedir": join(directory, "objects"),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(properties, lines.join(""), { mode: 0o600 });
  const server = await startServer({
    name: "S3Proxy",
    command: findJava(17).executable,
    args: [
      ...["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
      ...["-cp", `${libraries}/*`, "org.gaul.s3proxy.Main", "--properties", properties],
    ],
    directory,
    logFile: join(directory, "s3proxy.log"),
    probe: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/models/none`);
      if (answer.status >= 500) throw new Error(`HTTP ${answer.status}`);
    },
  });
  return Object.assign(server, {
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId,
    secretAccessKey,
  });
}
