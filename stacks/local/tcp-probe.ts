import { createConnection } from "node:net";

/**
 * Connects to 127.0.0.1, sends `question` and resolves with what comes first; with an empty
 * question it resolves as soon as the connection stands. Rejects after two seconds, and when the
 * connection ends without an answer.
 */
export function tcpProbe(port: number, question: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const noAnswer = new Error(`no answer on port ${port}`);
    const socket = createConnection({ host: "127.0.0.1", port });
    const end = (settle: () => void): void => {
      socket.destroy();
      settle();
    };
    socket.setTimeout(2_000, () => end(() => reject(noAnswer)));
    socket.once("close", () => reject(noAnswer));
    socket.once("error", (error) => end(() => reject(error)));
    socket.once("connect", () => {
      if (question.length === 0) {
        end(() => resolve(""));
      } else {
        socket.write(question);
      }
    });
    socket.once("data", (data) => end(() => resolve(data.toString("utf8"))));
  });
}
