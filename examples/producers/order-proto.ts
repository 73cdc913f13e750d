/** Text of order.proto, which producers have as a file. */
export const orderProto = `\
syntax = "proto3";
package shop;

import "google/protobuf/timestamp.proto";

message Order {
  int64 order_id = 1;
  string customer = 2;
  google.protobuf.Timestamp placed_at = 3;
  double amount = 4;
  optional string note = 5;
}
`.trimStart();
