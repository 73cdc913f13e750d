import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import protobufjs from "protobufjs";
import { parseProto } from "./parse-proto.ts";

test("a schema of a registry may be a descriptor as base64, whose indexes count maps too", () => {
  const text = `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
    message Holder { map<string, int32> counts = 1; message Inner { int32 n = 1; } }
    message Payment {
      int64 id = 1; google.protobuf.Timestamp paid_at = 3; repeated sint32 n = 2; }`;
  const require = createRequire(import.meta.url);
  const { FileDescriptorProto } = require("protobufjs/ext/descriptor") as {
    FileDescriptorProto: { encode(file: unknown): { finish(): Uint8Array } };
  };
  const root = protobufjs.parse(text, { keepCase: true }).root;
  root.addJSON(protobufjs.common.get("google/protobuf/timestamp.proto")?.nested ?? {});
  root.resolveAll();
  const described = root as unknown as {
    toDescriptor(edition: string): { file: { package: string }[] };
  };
  const own = described.toDescriptor("proto3").file.find((each) => each.package === "shop");
  const base64 = Buffer.from(FileDescriptorProto.encode(own).finish()).toString("base64");
  const { messages, placed } = parseProto(base64);
  const numbered = ({ number, type, presence }: (typeof messages)[string][number]) =>
    [number, type, presence] as const;
  const byNumber = (from: typeof messages) =>
    [...(from["shop.Payment"] ?? [])].map(numbered).sort(([a], [b]) => a - b);
  assert.deepEqual(byNumber(messages), byNumber(parseProto(text).messages));
  const [holder, payment] = placed;
  assert.deepEqual([holder?.name, payment?.name], ["shop.Holder", "shop.Payment"]);
  assert.equal(holder?.nested[1]?.name, "shop.Holder.Inner");
  assert.throws(() => parseProto("AAAA"), /.+/);
});
