import { busyPolicies } from "../predict/micro-batcher.ts";
import { microBatchRows } from "../services/score/scorer.ts";
import { setting } from "./setting.ts";
import { duration, integer, listenAddress, optionalPath, path, word } from "./setting-types.ts";

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
  receiveTimeout: setting(duration, {
    default: "30s",
    doc: "Gateway: longest time until a request is there whole, over HTTP and gRPC.",
    commands,
  }),
  batchDelayMs: setting(integer(0, 1_000), {
    default: 0,
    doc: "Gateway: how long a prediction waits for others to be scored with, ms; 0: only while the threads are busy.",
    commands,
  }),
  batchRows: setting(integer(1, microBatchRows), {
    default: microBatchRows,
    doc: "Gateway: rows that go to a model at a time.",
    commands,
  }),
  rowsWaiting: setting(integer(1, 1_000_000), {
    default: 4_096,
    doc: "Gateway: rows of a step that may wait for its model; for further ones see --when-busy.",
    commands,
  }),
  waitingMb: setting(integer(1, 65_536), {
    default: 64,
    doc: "Gateway: vectors that may wait for their models, of all steps together, MB.",
    commands,
  }),
  whenBusy: setting(word(busyPolicies), {
    default: "reject",
    doc: "Gateway: where too much waits, further rows are answered 429 (reject), those that wait longest in the last lane are in their place (drop), or the fallback answers (degrade).",
    commands,
  }),
  drain: setting(duration, {
    default: "10s",
    doc: "Gateway: how long requests under way may take at the end.",
    commands,
  }),
});
