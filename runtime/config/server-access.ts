import { readFileSync, statSync } from "node:fs";
import { rootCertificates } from "node:tls";
import type { KafkaBrokerOptions } from "../../broker/kafka/kafka-broker.ts";
import type { ClickHouseOptions } from "../../sinks/clickhouse/clickhouse.ts";
import type { RedisStoreOptions } from "../../sinks/redis/redis.ts";
import type { ConfluentRegistryOptions } from "../schema-registry/confluent.ts";
import type { Secret } from "./secret.ts";
import { serverSettingNames } from "./server-settings.ts";
import type { Config } from "./settings.ts";

/** How to reach the four servers; secrets stand in it in clear text: it is never shown. */
export interface ServerAccess {
  readonly kafka: Pick<KafkaBrokerOptions, "brokers" | "ssl" | "sasl">;
  readonly registry: Pick<ConfluentRegistryOptions, "url" | "auth" | "tls">;
  readonly redis: Pick<RedisStoreOptions, "urls" | "cluster" | "username" | "password" | "tls">;
  readonly clickhouse: Pick<
    ClickHouseOptions,
    "url" | "user" | "password" | "tls" | "topologyDatabase"
  >;
}

/**
 * How to reach the servers of `--stack cluster`. Files are read now; what cannot be used is added
 * to `problems`, each with its setting, and no secret.
 */
export function clusterAccess(config: Config, problems: string[]): ServerAccess {
  const read = new ServerReader(config, problems);
  return {
    kafka: kafkaAccess(config, read, problems),
    registry: registryAccess(config, read),
    redis: redisAccess(config, read, problems),
    clickhouse: clickhouseAccess(config, read, problems),
  };
}

function kafkaAccess(
  { kafkaBrokers, kafkaTls, kafkaSasl }: Config,
  read: ServerReader,
  problems: string[],
): ServerAccess["kafka"] {
  if (kafkaBrokers.length === 0) problems.push("kafkaBrokers: --stack cluster needs it");
  const login = read.login("kafka");
  const tls = read.certificates("kafka", kafkaTls, "kafkaTls");
  if (kafkaSasl !== "none" && login === null) {
    problems.push(`kafkaSasl: ${kafkaSasl} needs kafkaUser and a password`);
  }
  if (kafkaSasl === "none" && login !== null) {
    problems.push("kafkaUser: a user needs kafkaSasl, the mechanism of its login");
  }
  return {
    brokers: kafkaBrokers,
    ...(kafkaTls ? { ssl: tls === null ? true : tls } : {}),
    ...(kafkaSasl === "none" || login === null ? {} : { sasl: { mechanism: kafkaSasl, ...login } }),
  };
}

function registryAccess({ registryUrl }: Config, read: ServerReader): ServerAccess["registry"] {
  const url = read.address("registryUrl", registryUrl);
  const auth = read.login("registry");
  const tls = read.certificates("registry", url.startsWith("https:"), "an https registryUrl");
  return { url, ...(auth === null ? {} : { auth }), ...(tls === null ? {} : { tls }) };
}

function redisAccess(
  { redisUrl, redisCluster }: Config,
  read: ServerReader,
  problems: string[],
): ServerAccess["redis"] {
  read.address("redisUrl", redisUrl[0] ?? null);
  if (redisUrl.length > 1 && !redisCluster) {
    problems.push("redisUrl: several addresses need redisCluster");
  }
  const schemes = new Set(redisUrl.map((each) => new URL(each).protocol));
  if (schemes.size > 1) problems.push("redisUrl: write redis:// or rediss:// for all of them");
  const encrypted = schemes.has("rediss:");
  const login = read.login("redis", { optional: ["user"] });
  const tls = read.certificates("redis", encrypted, "a rediss redisUrl");
  return {
    urls: redisUrl,
    cluster: redisCluster,
    ...login,
    // Nodes of a cluster that are learnt later take TLS from here, not from an address.
    ...(encrypted ? { tls: tls ?? {} } : {}),
  };
}

function clickhouseAccess(
  { clickhouseUrl, clickhouseDatabase }: Config,
  read: ServerReader,
  problems: string[],
): ServerAccess["clickhouse"] {
  const url = read.address("clickhouseUrl", clickhouseUrl);
  const login = read.login("clickhouse", { optional: ["user", "password"] });
  const tls = read.certificates("clickhouse", url.startsWith("https:"), "an https clickhouseUrl");
  if (tls?.cert !== undefined && login?.password !== undefined) {
    problems.push("clickhouseCertFile: ClickHouse takes it as the login: give no password");
  }
  return {
    url,
    topologyDatabase: clickhouseDatabase,
    ...(login?.username === undefined ? {} : { user: login.username }),
    ...(login?.password === undefined ? {} : { password: login.password }),
    // The client wants authorities whenever it is given a certificate.
    ...(tls === null ? {} : { tls: { ...tls, ca: tls.ca ?? nodesAuthorities() } }),
  };
}

type Server = "kafka" | "registry" | "redis" | "clickhouse";

interface Login {
  readonly username: string;
  readonly password: string;
}

interface LoginOptions {
  /** Which of the two may be left out. */
  readonly optional: readonly ("user" | "password")[];
}

interface Certificates {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Reads what all servers have alike, and notes what is wrong with it. */
class ServerReader {
  readonly #config: Config;
  readonly #problems: string[];

  constructor(config: Config, problems: string[]) {
    this.#config = config;
    this.#problems = problems;
  }

  address(name: string, given: string | null): string {
    if (given === null) this.#problems.push(`${name}: --stack cluster needs it`);
    return given ?? "";
  }

  /** User and password; null when neither is given. One without the other is a problem. */
  login(server: Server): Login | null;
  login(server: Server, options: LoginOptions): Partial<Login> | null;
  login(server: Server, options?: LoginOptions): Partial<Login> | null {
    const username = this.#config[`${server}User`];
    const password = this.#password(server);
    if (username === null && password === null) return null;
    if (password === null && options?.optional.includes("password") !== true) {
      this.#problems.push(`${server}User: ${howToGive(server)}`);
    } else if (username === null && options?.optional.includes("user") !== true) {
      this.#problems.push(`${server}Password: give ${server}User too`);
    }
    return {
      ...(username === null ? {} : { username }),
      ...(password === null ? {} : { password }),
    };
  }

  /** Certificates from their files; null when there are none. */
  certificates(server: Server, encrypted: boolean, wanted: string): Certificates | null {
    const names = [`${server}CaFile`, `${server}CertFile`, `${server}KeyFile`] as const;
    const given = names.filter((name) => this.#config[name] !== null);
    if (given.length === 0) return null;
    if (!encrypted) this.#problems.push(`${given.join(", ")}: TLS needs ${wanted}`);
    const [ca, cert, key] = names.map((name) => this.#pem(name));
    if ((cert === undefined) !== (key === undefined)) {
      this.#problems.push(`${server}CertFile and ${server}KeyFile go together`);
    }
    return {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    };
  }

  #password(server: Server): string | null {
    const given: Secret | null = this.#config[`${server}Password`];
    const name = `${server}PasswordFile` as const;
    const file = this.#config[name];
    if (given !== null && file !== null) {
      this.#problems.push(`${server}Password, ${name}: give one of them`);
    }
    if (given !== null || file === null) return given?.reveal() ?? null;
    const text = this.#file(name, file)
      ?.toString("utf8")
      .replace(/\r?\n$/, "");
    if (text === "") this.#problems.push(`${name}: ${file} is empty`);
    return text ?? "";
  }

  #pem(name: `${Server}${"Ca" | "Cert" | "Key"}File`): Buffer | undefined {
    const file = this.#config[name];
    if (file === null) return undefined;
    const content = this.#file(name, file);
    const what = name.endsWith("KeyFile") ? "PRIVATE KEY" : "CERTIFICATE";
    if (content !== undefined && !new RegExp(`-----BEGIN [A-Z ]*${what}-----`).test(`${content}`)) {
      this.#problems.push(`${name}: ${file} holds no ${what.toLowerCase()} in PEM`);
    }
    if (/BEGIN ENCRYPTED|ENCRYPTED$/m.test(`${content}`)) {
      this.#problems.push(`${name}: ${file} has a passphrase: write the key without one`);
    }
    return content;
  }

  #file(name: string, file: string): Buffer | undefined {
    try {
      return readFileSync(file);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      this.#problems.push(`${name}: ${file} cannot be read (${reason})`);
      return undefined;
    }
  }
}

function howToGive(server: Server): string {
  const variable = `MILLRACE_${server.toUpperCase()}_PASSWORD`;
  return `give its password with ${variable} or --${server}-password-file`;
}

function nodesAuthorities(): Buffer {
  return Buffer.from(rootCertificates.join("\n"));
}

/** Files of passwords and private keys that other users of this machine can read or change. */
export function openSecretFiles(config: Config): string[] {
  const names = [...serverSettingNames, "artifactsPasswordFile"] as const;
  return names.flatMap((name) => {
    const file = config[name];
    if (!/(Password|Key)File$/.test(name) || typeof file !== "string") return [];
    const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & 0o006) === 0) return [];
    return [`${file} (${name}) can be read or changed by every user of this machine: chmod 600.`];
  });
}

/** Passwords that others on the way could read: servers on this machine are not meant. */
export function readablePasswords({ kafka, registry, redis, clickhouse }: ServerAccess): string[] {
  const found: string[] = [];
  const tell = (server: string, urls: readonly string[], remedy: string) => {
    const away = urls.map((url) => new URL(url)).find(({ hostname }) => !loopback.test(hostname));
    if (away === undefined || away.protocol === "https:" || away.protocol === "rediss:") return;
    found.push(`The password for ${server} goes to ${away.host} without TLS: ${remedy}.`);
  };
  if (kafka.sasl?.mechanism === "plain" && kafka.ssl === undefined) {
    const urls = kafka.brokers.map((broker) => `kafka://${broker}`);
    tell("Kafka", urls, "set kafkaTls, or kafkaSasl to a SCRAM mechanism");
  }
  if (registry.auth !== undefined) tell("the schema registry", [registry.url], "use https");
  if (redis.password !== undefined) tell("Redis", redis.urls, "use rediss");
  if (clickhouse.password !== undefined) tell("ClickHouse", [clickhouse.url], "use https");
  return found;
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
