import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type Api, apis } from "./requests/kafka-request.ts";
import { WireReader } from "./wire-reader.ts";
import { WireWriter } from "./wire-writer.ts";

/** Reads the body of a request, writes that of its answer. */
export type Answer = (request: WireReader, answer: WireWriter) => void;

/**
 * Where partitions are led: node by partition. Node 0 is the scripted broker; node 1 is dead, and
 * in the cluster as long as it leads something.
 */
export type Leaders = Readonly<Record<string, readonly number[]>>;

export interface Script {
  /** By the name of the request; one that is not there is never answered. */
  readonly answers: Readonly<Record<string, Answer>>;
  /** Asked at each look at the cluster. */
  readonly leaders: () => Leaders;
  /** Told each request's name. @default nobody */
  readonly heard?: (name: string) => void;
  /**
   * Whether a connection whose request has no answer gets none any more, as those of a real broker,
   * which answers one after another. @default false
   */
  readonly inTurn?: boolean;
}

/** Port 1 of the loopback: nobody listens there. */
const deadPort = 1;

/** A Kafka of one node whose answers a test writes, for errors that a real one gives by chance. */
export async function startScriptedBroker(script: Script) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let bytes = Buffer.alloc(0);
    let isWaiting = false;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const end = 4 + bytes.readInt32BE(0);
        const answer = answerTo(bytes.subarray(4, end), script, portOf(server.address()));
        if (answer === null) isWaiting = script.inTurn === true;
        else if (!isWaiting) socket.write(answer);
        bytes = bytes.subarray(end);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    brokers: [`127.0.0.1:${portOf(server.address())}`],
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  return (address as AddressInfo).port;
}

function answerTo(frame: Buffer, { answers, leaders, heard }: Script, port: number): Buffer | null {
  const request = new WireReader(frame);
  const key = request.int16();
  request.int16();
  const correlation = request.int32();
  request.nullableString();
  const api = Object.values(apis).find((each) => each.key === key) as Api;
  heard?.(api.name);
  const writer = new WireWriter(512);
  writer.int32(0);
  writer.int32(correlation);
  if (api.flexible) {
    request.skipTags();
    writer.noTags();
  }
  const usual: Readonly<Record<string, Answer>> = {
    ApiVersions: writeVersions,
    Metadata: (asked, answer) => writeMetadata(asked, answer, leaders(), port),
    FindCoordinator(_, answer) {
      answer.int32(0);
      answer.int16(0);
      answer.nullableString(null);
      writeNode(answer, 0, port);
    },
    InitProducerId(_, answer) {
      answer.int32(0);
      answer.int16(0);
      answer.int64(7);
      answer.int16(0);
    },
    EndTxn(_, answer) {
      answer.int32(0);
      answer.int16(0);
    },
  };
  const write = answers[api.name] ?? usual[api.name];
  if (write === undefined) return null;
  write(request, writer);
  return writer.finish();
}

function writeVersions(_: WireReader, answer: WireWriter): void {
  answer.int16(0);
  answer.array(Object.values(apis), ({ key, version }) => {
    answer.int16(key);
    answer.int16(0);
    answer.int16(version);
  });
  answer.int32(0);
}

function writeNode(answer: WireWriter, node: number, port: number): void {
  answer.int32(node);
  answer.string("127.0.0.1");
  answer.int32(port);
}

function writeMetadata(
  asked: WireReader,
  answer: WireWriter,
  leaders: Leaders,
  port: number,
): void {
  const names = asked.compactArray(() => {
    asked.uuid();
    const name = asked.compactString();
    asked.skipTags();
    return name;
  });
  answer.int32(0);
  const isDeadListed = Object.values(leaders).some((nodes) => nodes.includes(1));
  answer.compactArray(isDeadListed ? [port, deadPort] : [port], (each) => {
    answer.int32(each === port ? 0 : 1);
    answer.compactString("127.0.0.1");
    answer.int32(each);
    answer.compactNullableString(null);
    answer.noTags();
  });
  answer.compactNullableString(null);
  answer.int32(0);
  answer.compactArray(names, (name) => {
    const nodes = leaders[name] ?? [];
    answer.int16(nodes.length === 0 ? 3 : 0);
    answer.compactString(name);
    answer.zeroUuid();
    answer.bool(false);
    answer.compactArray([...nodes.entries()], ([partition, node]) => {
      answer.int16(0);
      answer.int32(partition);
      answer.int32(node);
      answer.int32(0);
      for (let list = 0; list < 3; list++) answer.compactArray([], () => {});
      answer.noTags();
    });
    answer.int32(0);
    answer.noTags();
  });
  answer.noTags();
}
