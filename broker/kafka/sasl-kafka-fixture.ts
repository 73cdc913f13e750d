import { execFileSync } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { findJava } from "../../stacks/local/java.ts";
import { type KafkaStack, startKafka } from "../../stacks/local/kafka.ts";
import type { KafkaBrokerOptions } from "./kafka-broker.ts";

/** A Kafka that listens with SASL_SSL. */
export interface SaslKafka {
  readonly kafka: KafkaStack;
  /** What a client of it needs; its user may do everything. */
  readonly access: Required<Pick<KafkaBrokerOptions, "ssl" | "sasl">>;
  /** File of the certificate that its clients trust, PEM. */
  readonly caFile: string;
}

export const saslUser = { username: "millrace", password: "correct-horse" } as const;

export interface SaslKafkaOptions {
  /** More users, who may do nothing until it is granted. @default none, and nobody is asked */
  readonly users?: readonly { readonly username: string; readonly password: string }[];
  /** Port of a second listener, in plain text. @default none */
  readonly plainPort?: number;
  /** Certificate that clients must show, PEM. @default none is asked for */
  readonly client?: { readonly certFile: string; readonly keyFile: string };
}

/** Makes a certificate of its own in `directory` and starts the node there. */
export async function startSaslKafka(
  directory: string,
  { users = [], plainPort, client }: SaslKafkaOptions = {},
): Promise<SaslKafka> {
  await mkdir(directory, { recursive: true });
  const store = join(directory, "store.p12");
  const certificate = join(directory, "certificate.pem");
  const keytool = (...args: string[]): void => {
    const common = ["-keystore", store, "-storetype", "PKCS12", "-storepass", "store-secret"];
    const file = join(findJava(17).home, "bin", "keytool");
    execFileSync(file, [...args, ...common], { stdio: "ignore" });
  };
  const names = ["-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1"];
  const key = ["-keyalg", "RSA", "-keysize", "2048", "-validity", "2"];
  keytool("-genkeypair", "-alias", "kafka", ...key, ...names);
  keytool("-exportcert", "-alias", "kafka", "-rfc", "-file", certificate);
  if (client !== undefined) {
    keytool("-importcert", "-noprompt", "-alias", "client", "-file", client.certFile);
  }
  const ca = await readFile(certificate, "utf8");
  const access: SaslKafka["access"] = {
    ssl: {
      ca: [ca],
      ...(client === undefined
        ? {}
        : { cert: await readFile(client.certFile), key: await readFile(client.keyFile) }),
    },
    sasl: { mechanism: "scram-sha-256", ...saslUser },
  };
  const scram = [saslUser, ...users].flatMap(({ username, password }) => [
    ...["--add-scram", `SCRAM-SHA-256=[name=${username},password=${password}]`],
    ...["--add-scram", `SCRAM-SHA-512=[name=${username},password=${password}]`],
  ]);
  const kafka = await startKafka({
    directory,
    settings: {
      ...saslSsl(store),
      ...(client === undefined ? {} : { "listener.name.sasl_ssl.ssl.client.auth": "required" }),
      ...(users.length === 0 ? {} : authorized),
      ...(plainPort === undefined ? {} : withPlainListener(plainPort)),
    },
    formatArgs: scram,
    access,
  });
  return { kafka, access, caFile: certificate };
}

/** The node itself speaks to its controller in plain text, as nobody. */
const authorized = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": `User:${saslUser.username};User:ANONYMOUS`,
};

function withPlainListener(port: number): Record<string, string> {
  const plain = `PLAINTEXT://127.0.0.1:${port}`;
  const secure = "SASL_SSL://127.0.0.1:{port}";
  return {
    listeners: `${secure},${plain},CONTROLLER://127.0.0.1:{controllerPort}`,
    "advertised.listeners": `${secure},${plain}`,
    "listener.security.protocol.map": "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
  };
}

function saslSsl(store: string): Record<string, string> {
  const { username, password } = saslUser;
  const login = `required username="${username}" password="${password}"`;
  const security = "org.apache.kafka.common.security";
  const scram = `${security}.scram.ScramLoginModule ${login};`;
  const plain = `${security}.plain.PlainLoginModule ${login} user_${username}="${password}";`;
  return {
    listeners: "SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controllerPort}",
    "advertised.listeners": "SASL_SSL://127.0.0.1:{port}",
    "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "SASL_SSL",
    "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
    "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
    "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": scram,
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
    "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
    "ssl.keystore.location": store,
    "ssl.keystore.type": "PKCS12",
    "ssl.keystore.password": "store-secret",
    "ssl.truststore.location": store,
    "ssl.truststore.type": "PKCS12",
    "ssl.truststore.password": "store-secret",
  };
}
