// Written by `millrace generate` from order.proto. Change those instead.

import type { ProtobufSchema } from "millrace";

/** The message `shop.Order`. */
export interface Order {
  readonly order_id: number | bigint;
  readonly customer: string;
  readonly placed_at: number | null;
  readonly amount: number;
  readonly note: string | null;
}

const proto: readonly string[] = [
  "syntax = \"proto3\";\npackage shop;\n\nimport \"google/protobuf/timestamp.proto\";\n\nmessage Order {\n  int64 order_id = 1;\n  string customer = 2;\n  google.protobuf.Timestamp placed_at = 3;\n  double amount = 4;\n  optional string note = 5;\n}\n"
];

/** For `protobuf(order)`. */
export const order: ProtobufSchema<Order> = { message: "shop.Order", proto };
