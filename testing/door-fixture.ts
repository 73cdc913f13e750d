import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of those who knock: they are let through, not answered, or there is no door. */
export type DoorState = "through" | "silent" | "gone";

/** A port in front of a server, that can be as if the server stood still or were away. */
export class Door {
  readonly port: number;
  readonly #to: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #state: DoorState = "through";

  private constructor(port: number, to: number) {
    this.port = port;
    this.#to = to;
  }

  /** @param to - port of the server. */
  static async open(to: number): Promise<Door> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    const door = new Door(port, to);
    await door.set("through");
    return door;
  }

  /** Ends what is connected, too. */
  async set(state: DoorState): Promise<void> {
    this.#state = state;
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    if (state === "gone") {
      this.#server = null;
      if (server !== null) await new Promise((done) => server.close(done));
    } else if (server === null) {
      const opened = createServer((socket) => this.#admit(socket));
      this.#server = opened;
      await new Promise<void>((done) => opened.listen(this.port, "127.0.0.1", done));
    }
  }

  async close(): Promise<void> {
    await this.set("gone");
  }

  #admit(socket: Socket): void {
    this.#keep(socket);
    if (this.#state === "silent") return;
    const behind = connect(this.#to, "127.0.0.1");
    this.#keep(behind);
    socket.pipe(behind).pipe(socket);
    socket.once("close", () => behind.destroy());
    behind.once("close", () => socket.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
