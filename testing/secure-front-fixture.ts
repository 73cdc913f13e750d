import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { type IncomingHttpHeaders, request, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** A self-signed certificate for 127.0.0.1. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a certificate of its own in `directory`. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  await mkdir(directory, { recursive: true });
  const certFile = join(directory, "cert.pem");
  const keyFile = join(directory, "key.pem");
  const names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", keyFile];
  const args = ["req", "-x509", ...key, "-days", "2", "-out", certFile, ...names];
  execFileSync("openssl", args, { stdio: "ignore" });
  return { certFile, keyFile };
}

export interface SecureFrontOptions {
  /** Port of the server behind it, on 127.0.0.1. */
  readonly behind: number;
  readonly certificate: Certificate;
  /** Whether clients must show that certificate too. @default false */
  readonly clientCertificate?: boolean;
  readonly user: { readonly username: string; readonly password: string };
  /** Headers that the server behind wants to see. @default none */
  readonly onward?: Readonly<Record<string, string>>;
  /** Answers whoever is not that user, as the server itself would. */
  readonly refuse: (response: ServerResponse) => void;
}

/** A door with TLS and a user before a server that has neither. */
export interface SecureFront {
  readonly port: number;
  close(): Promise<void>;
}

/** Opens the door on a free port; bodies stream through it both ways. */
export async function startSecureFront(options: SecureFrontOptions): Promise<SecureFront> {
  const { behind, certificate, clientCertificate = false, user, refuse } = options;
  const cert = readFileSync(certificate.certFile);
  const files = {
    cert,
    key: readFileSync(certificate.keyFile),
    ca: cert,
    requestCert: clientCertificate,
    rejectUnauthorized: clientCertificate,
  };
  const server = createServer(files, (incoming, response) => {
    if (!isUser(incoming.headers, user)) {
      incoming.resume();
      refuse(response);
      return;
    }
    const { authorization: _, ...headers } = incoming.headers;
    for (const name of ["x-clickhouse-user", "x-clickhouse-key"]) delete headers[name];
    Object.assign(headers, options.onward);
    const { method, url: path } = incoming;
    const onward = request({ host: "127.0.0.1", port: behind, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.once("error", () => response.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** By basic authentication, or by ClickHouse's own headers. */
function isUser(
  headers: IncomingHttpHeaders,
  { username, password }: SecureFrontOptions["user"],
): boolean {
  const basic = Buffer.from(`${username}:${password}`).toString("base64");
  if (headers.authorization === `Basic ${basic}`) return true;
  return headers["x-clickhouse-user"] === username && headers["x-clickhouse-key"] === password;
}
