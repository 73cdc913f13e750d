import type * as Protobuf from "protobufjs";
import type { PlacedMessage } from "./parse-proto.ts";

/** As much as is needed of a message in `google/protobuf/descriptor.proto`. */
interface MessageDescriptor {
  readonly name: string;
  readonly nestedType: readonly MessageDescriptor[];
}

interface FileDescriptor {
  readonly package: string;
  readonly messageType: readonly MessageDescriptor[];
}

/** What `protobufjs/ext/descriptor` adds to the library. */
export interface Descriptors {
  readonly FileDescriptorProto: { decode(bytes: Uint8Array): FileDescriptor };
}

interface DescribedRoot {
  toDescriptor(edition: string): { readonly file: readonly FileDescriptor[] };
}

interface RootFromDescriptor {
  fromDescriptor(set: { readonly file: readonly FileDescriptor[] }): Protobuf.Root;
}

/**
 * Whether a schema is no text but a `FileDescriptorProto` as base64, which is what Confluent's
 * client for Python registers, and what some registries give as it came.
 */
export function isDescriptor(schema: string): boolean {
  return /^[A-Za-z0-9+/=\s]+$/.test(schema);
}

/**
 * What descriptors declare, and the messages of the last file in the order in which clients with
 * descriptors count them: those that stand for the entries of a map are counted too.
 *
 * @param known - files that no registry keeps.
 * @throws {Error} when one is no descriptor, or imports what is not there.
 */
export function rootOfDescriptors(
  files: readonly string[],
  known: Protobuf.Root,
  { Root }: typeof Protobuf,
  { FileDescriptorProto }: Descriptors,
): { readonly root: Protobuf.Root; readonly placed: readonly PlacedMessage[] } {
  const decoded = files.map((file) => FileDescriptorProto.decode(Buffer.from(file, "base64")));
  const own = decoded.filter((file) => !/^(google\.protobuf|confluent)/.test(file.package));
  const { file: others } = (known as unknown as DescribedRoot).toDescriptor("proto3");
  const set = { file: [...others, ...own] };
  const root = (Root as unknown as RootFromDescriptor).fromDescriptor(set);
  const last = decoded.at(-1);
  return { root, placed: last === undefined ? [] : placedIn(last.messageType, last.package) };
}

function placedIn(messages: readonly MessageDescriptor[], within: string): PlacedMessage[] {
  return messages.map(({ name, nestedType }) => {
    const full = within === "" ? name : `${within}.${name}`;
    return { name: full, nested: placedIn(nestedType, full) };
  });
}
