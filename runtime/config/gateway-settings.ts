import { setting } from "./setting.ts";
import { duration, integer, listenAddress, optionalPath, path } from "./setting-types.ts";

const commands = ["run", "serve"] as const;

/** Settings of the gateway: beside a run, or by itself. */
export const gatewaySettings = Object.freeze({
  listen: setting(listenAddress, {
    default: "off",
    doc: "Address of the HTTP gateway: a port of 127.0.0.1, host:port, or off; serve takes 8080 where it is off.",
    commands,
  }),
  listenGrpc: setting(listenAddress, {
    default: "off",
    doc: "Gateway: address where it speaks gRPC, too (Open Inference Protocol), under the same keys, certificate and limits: a port of 127.0.0.1, host:port, or off; a run needs --listen for it.",
    commands,
  }),
  listenCertFile: setting(optionalPath, {
    default: null,
    doc: "Gateway: certificate chain, PEM; with it the gateway speaks TLS alone.",
    commands,
  }),
  listenKeyFile: setting(optionalPath, {
    default: null,
    doc: "Gateway: private key of the certificate, PEM.",
    commands,
  }),
  keysFile: setting(path, {
    default: "millrace.keys.json",
    doc: "Gateway: hashes of the API keys, as millrace keys writes them.",
    commands: ["run", "serve", "keys"],
  }),
  requestMb: setting(integer(1, 64), {
    default: 1,
    doc: "Gateway: largest body of a request, MB.",
    commands,
  }),
  requestsAtOnce: setting(integer(1, 65_536), {
    default: 256,
    doc: "Gateway: requests under way; further ones are answered 429.",
    commands,
  }),
  requestTimeout: setting(duration, {
    default: "10s",
    doc: "Gateway: longest time for an answer; then it is 503.",
    commands,
  }),
  batchDelayMs: setting(integer(0, 1_000), {
    default: 0,
    doc: "Gateway: how long a prediction waits for others to be scored with, ms; 0: only while the threads are busy.",
    commands,
  }),
  rowsWaiting: setting(integer(1, 1_000_000), {
    default: 4_096,
    doc: "Gateway: rows that may wait for their model; further ones are answered 429.",
    commands,
  }),
  drain: setting(duration, {
    default: "10s",
    doc: "Gateway: how long requests under way may take at the end.",
    commands,
  }),
});
