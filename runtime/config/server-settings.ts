import { setting } from "./setting.ts";
import {
  databaseName,
  hosts,
  optionalPath,
  optionalText,
  secret,
  toggle,
  url,
  urls,
  word,
} from "./setting-types.ts";

const commands = ["run", "replay", "look"] as const;

function file(doc: string) {
  return setting(optionalPath, { default: null, doc, commands });
}

function user(doc: string) {
  return setting(optionalText, { default: null, doc, commands });
}

/** From the environment or the file; a flag of its name is refused and says why. */
function password(doc: string) {
  return setting(secret, { default: null, secret: true, doc, commands });
}

/** How to reach the servers of `--stack cluster`: addresses, TLS and users. */
export const serverSettings = Object.freeze({
  kafkaBrokers: setting(hosts, {
    default: [],
    doc: "Kafka: some of the brokers.",
    commands,
  }),
  kafkaTls: setting(toggle, {
    default: false,
    doc: "Kafka: whether its listener speaks TLS.",
    commands,
  }),
  kafkaCaFile: file("Kafka: certificates of authorities, PEM; without it those that Node trusts."),
  kafkaCertFile: file("Kafka: certificate of this client, PEM."),
  kafkaKeyFile: file("Kafka: private key of this client, PEM."),
  kafkaSasl: setting(word(["none", "plain", "scram-sha-256", "scram-sha-512"]), {
    default: "none",
    doc: "Kafka: SASL mechanism.",
    commands,
  }),
  kafkaUser: user("Kafka: user of the SASL mechanism."),
  kafkaPassword: password("Kafka: its password."),
  kafkaPasswordFile: file("Kafka: file that holds its password alone."),
  registryUrl: setting(url("http", "https"), {
    default: null,
    doc: "Schema registry: base of its Confluent interface; https for TLS.",
    commands,
  }),
  registryCaFile: file("Schema registry: certificates of authorities, PEM."),
  registryCertFile: file("Schema registry: certificate of this client, PEM."),
  registryKeyFile: file("Schema registry: private key of this client, PEM."),
  registryUser: user("Schema registry: user of basic authentication."),
  registryPassword: password("Schema registry: its password."),
  registryPasswordFile: file("Schema registry: file that holds its password alone."),
  redisUrl: setting(urls("redis", "rediss"), {
    default: [],
    doc: "Redis: its address, or some nodes of a Redis Cluster; rediss for TLS.",
    commands,
  }),
  redisCluster: setting(toggle, {
    default: false,
    doc: "Redis: whether it is a Redis Cluster.",
    commands,
  }),
  redisCaFile: file("Redis: certificates of authorities, PEM."),
  redisCertFile: file("Redis: certificate of this client, PEM."),
  redisKeyFile: file("Redis: private key of this client, PEM."),
  redisUser: user("Redis: user of its ACL; without it the default user."),
  redisPassword: password("Redis: its password."),
  redisPasswordFile: file("Redis: file that holds its password alone."),
  clickhouseUrl: setting(url("http", "https"), {
    default: null,
    doc: "ClickHouse: its HTTP interface; https for TLS.",
    commands,
  }),
  clickhouseDatabase: setting(databaseName, {
    default: "{topology}",
    doc: "ClickHouse: database of a topology, {topology} in it its name; made where it is missing.",
    commands,
  }),
  clickhouseCaFile: file("ClickHouse: certificates of authorities, PEM."),
  clickhouseCertFile: file("ClickHouse: certificate of this client, PEM."),
  clickhouseKeyFile: file("ClickHouse: private key of this client, PEM."),
  clickhouseUser: user("ClickHouse: user; without it default."),
  clickhousePassword: password("ClickHouse: its password."),
  clickhousePasswordFile: file("ClickHouse: file that holds its password alone."),
});

/** Settings that mean something on `--stack cluster` alone. */
export const serverSettingNames = Object.keys(serverSettings) as (keyof typeof serverSettings)[];
