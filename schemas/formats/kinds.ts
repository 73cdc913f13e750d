/** Every format of records, one a line: the key in a plan and the verb of users is its name. */
export { avro } from "./avro/avro-format.ts";
export { decoder } from "./decoder/decoder-format.ts";
export { json } from "./json/json-format.ts";
export { protobuf } from "./protobuf/protobuf-format.ts";
