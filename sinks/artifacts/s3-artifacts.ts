import { AwsClient } from "aws4fetch";
import { artifactBytesMax, checkSha256, type SharedArtifacts } from "./shared-artifacts.ts";

export interface S3ArtifactsOptions {
  readonly bucket: string;
  /** Before the name of each object, e.g. `fraud/models`. @default "" */
  readonly prefix?: string;
  /** Base of a store that is not AWS's own; the bucket is then part of the path. @default AWS */
  readonly endpoint?: string | null;
  /** @default "us-east-1" */
  readonly region?: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Longest wait for an answer, ms. @default 30000 */
  readonly timeoutMs?: number;
}

/**
 * Artifacts as objects of a bucket of S3 or of a store that speaks its interface, requests signed
 * with AWS Signature Version 4. Needs `s3:GetObject` and `s3:PutObject` below the prefix, and
 * `s3:ListBucket` for a missing object to be told from a forbidden one. What the store answers
 * with 429 or 5xx is asked for again.
 */
export function openS3Artifacts(options: S3ArtifactsOptions): SharedArtifacts {
  const {
    bucket,
    prefix = "",
    endpoint = null,
    region = "us-east-1",
    timeoutMs = 30_000,
  } = options;
  const { accessKeyId, secretAccessKey } = options;
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3", retries: 3 });
  const folders = partsOf(prefix);
  const base =
    endpoint === null
      ? `https://${bucket}.s3.${region}.amazonaws.com`
      : [new URL(endpoint).origin, ...partsOf(new URL(endpoint).pathname), bucket].join("/");
  const urlOf = (sha256: string) => {
    checkSha256(sha256);
    return [base, ...folders.map(encodeURIComponent), `${sha256}.onnx`].join("/");
  };
  const ask = (sha256: string, init: RequestInit) =>
    client.fetch(urlOf(sha256), {
      ...init,
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
  return {
    where: `s3://${[bucket, ...folders].join("/")}`,
    read: async (sha256) => {
      const answer = await ask(sha256, { method: "GET" });
      if (answer.status === 404) {
        await answer.body?.cancel();
        return null;
      }
      await checkAnswer(answer);
      return await bodyOf(answer);
    },
    write: async (sha256, bytes) => {
      const body = new Uint8Array(bytes);
      const answer = await ask(sha256, { method: "PUT", body });
      await checkAnswer(answer);
      await answer.body?.cancel();
    },
  };
}

/** Folders of a path, without empty ones. */
function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

/** The body, read no further than an artifact may be long. */
async function bodyOf(answer: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > artifactBytesMax) throw new RangeError("the object is larger than an artifact");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function checkAnswer(answer: Response): Promise<void> {
  if (answer.ok) return;
  const text = (await answer.text()).slice(0, 10_000);
  const code = /<Code>([A-Za-z0-9.]{1,80})<\/Code>/.exec(text)?.[1];
  throw new Error(`HTTP ${answer.status}${code === undefined ? "" : ` ${code}`}`);
}
