/*
 * Derived from kafkajs 2.2.4, src/protocol/request.js.
 * Copyright (c) 2018 Túlio Ornelas (ornelas.tulio@gmail.com). MIT License: the permission notice
 * is reproduced in the file NOTICE of this repository.
 */

/** A request of our own: it writes its whole wire form, size and header included. */
export interface WireEncoded {
  encodeWire(correlationId: number, clientId: string): Buffer;
}

interface CreateRequestArguments {
  readonly correlationId: number;
  readonly clientId: string;
  readonly request: object;
}

/** kafkajs's `createRequest`: only the `buffer` of its answer is used by a connection. */
export type CreateRequest = (
  args: CreateRequestArguments,
) => Promise<{ readonly buffer: Buffer }> | { readonly buffer: Buffer };

/**
 * Lets requests that bring their own wire form past kafkajs's encoder, which knows only the
 * header of version 1 (no flexible versions) and copies the body twice. All others go the old way.
 */
export function patchedCreateRequest(original: CreateRequest): CreateRequest {
  return (args) =>
    "encodeWire" in args.request
      ? {
          buffer: (args.request as WireEncoded).encodeWire(args.correlationId, args.clientId),
        }
      : original(args);
}
