import assert from "node:assert/strict";
import { test } from "node:test";
import { layoutOf, unreadOf } from "../formats.ts";
import { protobuf } from "../kinds.ts";

test("fields that are not read are known for what they are, and cannot be asked for", () => {
  const old = `syntax = "proto2";
message Old {
  required string id = 1;
  repeated group Items = 2 { optional string name = 3; }
  optional Inner inner = 4;
  extensions 100 to 199;
}
message Inner { map<string, int32> counts = 1; optional Old old = 2; repeated Inner more = 3; }`;
  assert.deepEqual(
    [...unreadOf(protobuf({ message: "Old", proto: old }))],
    [
      ["items", "a group"],
      ["inner.counts", "a map"],
      ["inner.more", "a list of messages"],
      ["inner.old", "a message within itself"],
    ],
  );
  assert.throws(
    () =>
      layoutOf(
        protobuf<never>({ message: "Old", proto: old }, { required: ["inner.counts" as never] }),
      ),
    /^Error: "inner.counts" is a map, which is not read$/,
  );
});
